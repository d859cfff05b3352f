"""The journal: what is recorded is durable when `record` returns, and commits are shared."""

import asyncio

import pytest
from sqlalchemy import Connection, event

from batch_issuer.batch.stages import Stage
from batch_issuer.errors import LedgerUnavailable
from batch_issuer.ledger import Answered, Journal, Ledger, Sending, open_journal
from batch_issuer.ledger.journal import Load
from batch_issuer.ledger.requests import count_by_stage
from tests.conftest import BATCH, KEY, make_request, make_requests, plan, records_of
from tests.contract.ledger.conftest import OpenAgain

AT = "2026-03-02T04:45:00Z"


def sending(chunk: int = 1, attempt: int = 1) -> Sending:
    return Sending(lease=KEY, request_id=make_request(chunk=chunk).request_id, attempt=attempt, at=AT)


def refused(chunk: int = 1) -> Answered:
    request_id = make_request(chunk=chunk).request_id
    return Answered(lease=KEY, request_id=request_id, attempt=1, sent_at=AT, at=AT, stage=Stage.REFUSED)


class Commits:
    """Counts the transactions that a ledger commits."""

    def __init__(self, ledger: Ledger) -> None:
        self.count = 0
        for engine in ledger._database.engines:
            event.listen(engine, "commit", self._add)

    def _add(self, _connection: object) -> None:
        self.count += 1


def fill_the_disk(connection: Connection) -> None:
    """Let every change of a request fail as a full disk lets it fail."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(
            "create trigger full_disk before update on requests begin select raise(fail, 'disk full'); end"
        )
        return
    connection.exec_driver_sql(
        "create function fail() returns trigger language plpgsql as"
        " $$ begin raise exception 'disk full' using errcode = 'disk_full'; end $$"
    )
    connection.exec_driver_sql(
        "create trigger full_disk before update on requests for each row execute function fail()"
    )


def make_room(connection: Connection) -> None:
    on = "" if connection.dialect.name == "sqlite" else " on requests"
    connection.exec_driver_sql(f"drop trigger full_disk{on}")


async def test_what_is_recorded_is_seen_by_another_connection(
    ledger: Ledger, journal: Journal, open_again: OpenAgain
) -> None:
    await plan(ledger, make_requests(1))
    await journal.record(sending())
    async with open_again() as other:
        assert [record.stage for record in await records_of(other)] == [Stage.SENDING]


async def test_entries_of_one_moment_share_their_commits(ledger: Ledger, journal: Journal) -> None:
    await plan(ledger, make_requests(200))
    commits = Commits(ledger)
    await asyncio.gather(*(journal.record(sending(chunk)) for chunk in range(1, 201)))
    assert commits.count <= 3
    assert await ledger.read(count_by_stage, BATCH) == {Stage.SENDING: 200}


async def test_entries_gather_while_a_commit_is_under_way(ledger: Ledger, journal: Journal) -> None:
    await plan(ledger, make_requests(60))
    commits = Commits(ledger)

    async def send(chunk: int) -> None:
        await journal.record(sending(chunk))
        await journal.record(refused(chunk))

    await asyncio.gather(*(send(chunk) for chunk in range(1, 61)))
    assert commits.count < 12
    assert await ledger.read(count_by_stage, BATCH) == {Stage.REFUSED: 60}


class Busy(Load):
    """The loop is at work, whatever it is asked."""

    def is_high(self) -> bool:
        return True


async def test_under_load_entries_of_several_turns_of_the_loop_share_a_commit(ledger: Ledger) -> None:
    await plan(ledger, make_requests(60))

    async def send(chunk: int) -> None:
        for _ in range(chunk):
            await asyncio.sleep(0)
        await journal.record(sending(chunk))

    async with open_journal(ledger, Busy()) as journal:
        commits = Commits(ledger)
        await asyncio.gather(*(send(chunk) for chunk in range(1, 61)))
        shared = commits.count
    assert shared < 20
    assert await ledger.read(count_by_stage, BATCH) == {Stage.SENDING: 60}


async def test_a_lone_entry_does_not_wait_for_others(ledger: Ledger) -> None:
    await plan(ledger, make_requests(2))
    async with open_journal(ledger, Busy()) as journal:
        commits = Commits(ledger)
        await journal.record(sending(1))
        await journal.record(sending(2))
        assert commits.count == 2


async def test_a_failure_reaches_every_sender_that_waits(ledger: Ledger, journal: Journal) -> None:
    await plan(ledger, make_requests(8))
    await ledger.write(fill_the_disk)
    told = await asyncio.gather(
        *(journal.record(sending(chunk)) for chunk in range(1, 9)), return_exceptions=True
    )
    assert [str(failure) for failure in told] == ["the ledger can't be used now (disk full)"] * 8
    await ledger.write(make_room)
    await journal.record(sending())
    assert (await records_of(ledger))[0].stage is Stage.SENDING


async def test_an_entry_at_fault_takes_no_other_with_it(ledger: Ledger, journal: Journal) -> None:
    await plan(ledger, make_requests(4))
    await asyncio.gather(*(journal.record(sending(chunk)) for chunk in (1, 2, 3)))
    told = await asyncio.gather(
        journal.record(refused(1)),
        journal.record(sending(2, attempt=2)),
        journal.record(sending(4)),
        journal.record(refused(3)),
        return_exceptions=True,
    )
    assert [type(failure) for failure in told] == [type(None), LedgerUnavailable, type(None), type(None)]
    stages = [record.stage for record in await records_of(ledger)]
    assert stages == [Stage.REFUSED, Stage.SENDING, Stage.REFUSED, Stage.SENDING]


async def test_closing_writes_what_was_recorded_before(ledger: Ledger) -> None:
    await plan(ledger, make_requests(20))
    async with open_journal(ledger) as journal:
        waiting = [asyncio.create_task(journal.record(sending(chunk))) for chunk in range(1, 21)]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert await ledger.read(count_by_stage, BATCH) == {Stage.SENDING: 20}


async def test_a_closed_journal_takes_nothing_and_says_so(ledger: Ledger) -> None:
    async with open_journal(ledger) as journal:
        pass
    with pytest.raises(LedgerUnavailable, match="closed"):
        await journal.record(sending())


async def test_a_sender_that_is_cancelled_has_its_entry_written_first(
    ledger: Ledger, journal: Journal
) -> None:
    await plan(ledger, make_requests(1))
    recording = asyncio.create_task(journal.record(sending()))
    await asyncio.sleep(0)
    recording.cancel()
    with pytest.raises(asyncio.CancelledError):
        await recording
    assert (await records_of(ledger))[0].stage is Stage.SENDING


async def test_a_sender_that_is_cancelled_twice_does_not_stop_the_writer(ledger: Ledger) -> None:
    await plan(ledger, make_requests(2))
    async with open_journal(ledger) as journal:
        recording = asyncio.create_task(journal.record(sending()))
        for _ in range(3):
            await asyncio.sleep(0)
            recording.cancel()
        await asyncio.gather(recording, return_exceptions=True)
        await journal.record(sending(2))
    assert await ledger.read(count_by_stage, BATCH) == {Stage.SENDING: 2}


async def test_closing_under_cancellation_still_writes(ledger: Ledger) -> None:
    await plan(ledger, make_requests(5))
    opened = asyncio.Event()

    async def work() -> None:
        async with open_journal(ledger) as journal, asyncio.TaskGroup() as senders:
            for chunk in range(1, 6):
                senders.create_task(journal.record(sending(chunk)))
            await asyncio.sleep(0)
            opened.set()
            await asyncio.Event().wait()

    working = asyncio.create_task(work())
    await opened.wait()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert await ledger.read(count_by_stage, BATCH) == {Stage.SENDING: 5}
