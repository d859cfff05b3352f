"""The lease of a batch: renewed for as long as its owner is awake, and a fence for whoever was not."""

import asyncio
import itertools
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.batch.stages import Stage
from batch_issuer.clock import Clock
from batch_issuer.errors import BatchInUse, BatchTakenOver, LedgerUnavailable
from batch_issuer.ledger import LeaseKey, Ledger
from batch_issuer.ledger.leases import take_lease
from batch_issuer.ledger.transitions import mark_interrupted
from batch_issuer.processes import this_process
from batch_issuer.sandbox import Sandbox
from batch_issuer.submission import Lease, LeaseTerms, hold_lease
from tests.conftest import BATCH, FakeClock, make_access, make_claim, make_request, records_of
from tests.gateway.servers import http_server
from tests.submission.conftest import Desk, accepted, posted, request_id_of, spoil

TERMS = LeaseTerms.for_requests(timeout=30, settle=5)
THEIRS = LeaseKey(name=BATCH, owner="theirs")


def hold(ledger: Ledger, clock: Clock) -> AbstractAsyncContextManager[Lease]:
    return hold_lease(ledger, BATCH, terms=TERMS, process=this_process(), clock=clock)


async def take_over(ledger: Ledger, time: FakeClock) -> None:
    """Take the batch over, as another process does when the lease has run out."""
    assert await ledger.write(take_lease, THEIRS, make_claim(ledger, uptime=time.seconds())) is None


class Ticks:
    """A background clock that ticks when the test says so."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[float] = asyncio.Queue()
        self._due: asyncio.Queue[None] = asyncio.Queue()

    async def tick(self, seconds: float) -> None:
        self.asked.put_nowait(seconds)
        await self._due.get()

    async def pass_one(self) -> float:
        """Let the next tick come, and return when the one after it is asked for."""
        seconds = await self.asked.get()
        self._due.put_nowait(None)
        await asyncio.sleep(0)
        return seconds


@pytest.fixture
async def held(ledger: Ledger, time: FakeClock) -> AsyncIterator[Lease]:
    async with hold(ledger, time.clock) as lease:
        yield lease


def test_a_lease_is_longer_than_a_lost_request_takes_to_show_and_a_minute_at_least() -> None:
    assert LeaseTerms.for_requests(timeout=1, settle=1) == LeaseTerms(seconds=60, reserve=2)
    assert LeaseTerms(seconds=70, reserve=35) == TERMS


async def test_a_lease_allows_sending_only_while_a_lost_request_shows_before_it_runs_out(
    held: Lease, time: FakeClock
) -> None:
    time.advance(34.9)
    assert held.allows_sending
    time.advance(0.2)
    assert not held.allows_sending


async def test_a_lease_that_allows_no_sending_is_renewed_first(held: Lease, time: FakeClock) -> None:
    time.advance(10_000)
    await held.ensure()
    assert held.allows_sending


async def test_a_lease_that_is_another_processes_by_now_never_allows_sending_again(
    ledger: Ledger, held: Lease, time: FakeClock
) -> None:
    time.advance(70)
    await take_over(ledger, time)
    for _ in range(2):
        with pytest.raises(BatchTakenOver, match=BATCH):
            await held.ensure()
        assert not held.allows_sending


async def test_nothing_is_written_under_a_lease_that_is_lost(
    ledger: Ledger, held: Lease, time: FakeClock
) -> None:
    time.advance(70)
    await take_over(ledger, time)
    written: list[object] = []
    with pytest.raises(BatchTakenOver):
        await held.write(written.append)
    with pytest.raises(BatchTakenOver):
        await held.write_block(written.append)
    assert written == []


async def test_a_second_holder_is_told_who_has_the_batch_and_for_how_long(
    ledger: Ledger, held: Lease, time: FakeClock
) -> None:
    time.advance(30)
    with pytest.raises(BatchInUse, match=rf"process {this_process().pid} on .* try again in 40 s"):
        async with hold(ledger, time.clock):
            pass
    assert held.allows_sending


async def test_a_lease_is_given_back_however_its_work_ends(ledger: Ledger, time: FakeClock) -> None:
    with pytest.raises(LookupError):
        async with hold(ledger, time.clock):
            raise LookupError
    async with hold(ledger, time.clock):
        pass


async def test_a_lease_is_given_back_when_its_work_is_cancelled(ledger: Ledger, time: FakeClock) -> None:
    begun = asyncio.Event()

    async def work() -> None:
        async with hold(ledger, time.clock):
            begun.set()
            await asyncio.Event().wait()

    working = asyncio.create_task(work())
    await begun.wait()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    async with hold(ledger, time.clock):
        pass


async def test_a_lease_is_renewed_six_times_in_its_length_while_its_owner_is_awake(
    ledger: Ledger, time: FakeClock
) -> None:
    ticks = Ticks()
    async with hold(ledger, replace(time.clock, tick=ticks.tick)) as lease:
        for _ in range(20):
            assert lease.allows_sending
            time.advance(TERMS.seconds / 6)
            assert await ticks.pass_one() == pytest.approx(TERMS.seconds / 6)
        await ticks.asked.get()
        with pytest.raises(BatchInUse):
            async with hold(ledger, time.clock):
                pass


async def test_a_renewal_that_fails_is_tried_again_at_the_next_tick(ledger: Ledger, time: FakeClock) -> None:
    ticks = Ticks()
    async with hold(ledger, replace(time.clock, tick=ticks.tick)) as lease:
        await spoil(ledger, "alter table leases rename to elsewhere")
        await ticks.pass_one()
        seconds = await ticks.asked.get()
        await spoil(ledger, "alter table elsewhere rename to leases")
        ticks.asked.put_nowait(seconds)
        time.advance(40)
        await ticks.pass_one()
        await ticks.asked.get()
        assert lease.allows_sending


async def test_a_lease_whose_ledger_is_gone_is_left_to_run_out(ledger: Ledger, time: FakeClock) -> None:
    async with hold(ledger, time.clock):
        await spoil(ledger, "alter table leases rename to elsewhere")
    await spoil(ledger, "alter table elsewhere rename to leases")
    time.advance(70)
    async with hold(ledger, time.clock):
        pass


SENDING_BEGINS = 6
"""Two looks at the clock take the lease. A third is before a request is marked, and when its slot is free
a fourth for the mark's age, a fifth for the lease, and a sixth right before it goes."""


def stand_still_at(
    desk: Desk, is_due: Callable[[int], bool], meanwhile: Callable[[], None] = lambda: None
) -> None:
    """Let the process stand still for an hour, right before some of its looks at the clock."""
    looks = itertools.count(1)

    def uptime() -> float:
        if is_due(next(looks)):
            desk.time.advance(3_600)
            meanwhile()
        return desk.time.seconds()

    desk.time.clock = replace(desk.time.clock, uptime=uptime)


async def test_a_process_that_wakes_past_its_lease_does_not_send_what_it_had_marked(
    desk: Desk, sandbox: Sandbox, ledger_path: Path
) -> None:
    def another_process_works() -> None:
        with sqlite3.connect(ledger_path) as other:
            other.execute("update leases set owner = 'theirs'")
            other.execute("update requests set stage = 'in_doubt' where stage = 'sending'")
        other.close()

    await desk.plan(3)
    stand_still_at(desk, lambda look: look == SENDING_BEGINS, another_process_works)
    report = await desk.submit(make_access(sandbox.url), concurrency=1)
    assert report.stop is not None
    assert report.stop.exit_code is ExitCode.NOT_FINISHED
    assert "taken over" in report.stop.message
    assert report.stages == ["in_doubt", "not_sent", "not_sent"]
    assert posted(sandbox) == {}


async def test_a_process_that_wakes_and_still_has_its_batch_goes_on_with_it(
    desk: Desk, sandbox: Sandbox
) -> None:
    await desk.plan(3)
    stand_still_at(desk, lambda look: look == SENDING_BEGINS)
    report = await desk.submit(make_access(sandbox.url), concurrency=1)
    assert report.stop is None
    assert report.stages == ["submitted"] * 3
    assert set(posted(sandbox).values()) == {1}
    assert [attempt[:2] for attempt in await desk.attempts()] == [(1, 1), (1, 2), (2, 1), (3, 1)]


async def test_a_process_that_stood_still_while_it_waited_for_a_slot_renews_its_lease_and_sends(
    desk: Desk, sandbox: Sandbox
) -> None:
    await desk.plan(3)
    stand_still_at(desk, lambda look: look == SENDING_BEGINS - 2)
    report = await desk.submit(make_access(sandbox.url), concurrency=1)
    assert report.stages == ["submitted"] * 3
    assert [attempt[:2] for attempt in await desk.attempts()] == [(1, 1), (2, 1), (3, 1)]


async def test_a_process_that_stands_still_often_does_not_count_as_a_server_that_is_down(
    desk: Desk, sandbox: Sandbox
) -> None:
    await desk.plan(2)
    stand_still_at(desk, lambda look: look <= 15 * SENDING_BEGINS and look % SENDING_BEGINS == 0)
    report = await desk.submit(make_access(sandbox.url), concurrency=1, max_attempts=20)
    assert report.stop is None
    assert report.stages == ["submitted"] * 2
    assert len(await desk.attempts()) > 10


async def test_an_answer_that_comes_after_the_batch_was_taken_over_is_not_lost(desk: Desk) -> None:
    async def answer(request: web.Request) -> web.Response:
        desk.time.advance(3_600)
        await take_over(desk.ledger, desk.time)
        await desk.ledger.write(mark_interrupted, BATCH, "2026-03-02T05:45:00Z")
        return accepted(await request_id_of(request))

    await desk.plan(2)
    async with http_server(answer) as url:
        report = await desk.submit(make_access(url), concurrency=1)
    assert report.stop is not None
    assert "taken over" in report.stop.message
    (first, second) = await records_of(desk.ledger)
    assert (first.stage, first.workflow_request_id) == (Stage.SUBMITTED, f"w-{make_request().request_id}")
    assert second.stage is Stage.NOT_SENT


async def test_a_lease_that_can_not_be_taken_says_that_the_ledger_is_the_reason(
    ledger: Ledger, time: FakeClock
) -> None:
    await spoil(ledger, "alter table leases rename to elsewhere")
    with pytest.raises(LedgerUnavailable):
        async with hold(ledger, time.clock):
            pass


async def test_a_lease_is_given_back_also_when_its_work_is_cancelled_twice(
    ledger: Ledger, time: FakeClock
) -> None:
    begun, ending = asyncio.Event(), asyncio.Event()

    async def tick(_: float) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ending.set()
            await asyncio.sleep(0)

    async def work() -> None:
        async with hold(ledger, replace(time.clock, tick=tick)):
            begun.set()
            await asyncio.sleep(0)
            await asyncio.Event().wait()

    working = asyncio.create_task(work())
    await begun.wait()
    await asyncio.sleep(0)
    working.cancel()
    await ending.wait()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    async with hold(ledger, time.clock):
        pass
