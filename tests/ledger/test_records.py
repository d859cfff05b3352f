"""The ledger of a server that runs for months: opened when it is needed, and anew after a failure."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from batch_issuer.errors import LedgerUnavailable, UsageError
from batch_issuer.ledger import Records, open_records
from batch_issuer.ledger.batches import find_batch, insert_batch, list_batches
from tests.conftest import BATCH, make_batch, open_connections
from tests.postgresql import PostgresServer


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[Records]:
    async with open_records(f"sqlite:///{tmp_path / 'output' / 'ledger.db'}") as opened:
        yield opened


async def test_a_ledger_is_made_when_somebody_first_asks_it(records: Records, tmp_path: Path) -> None:
    assert not (tmp_path / "output").exists()
    assert await records.read(list_batches) == []
    assert (tmp_path / "output" / "ledger.db").exists()


async def test_many_who_ask_at_once_open_it_once(records: Records) -> None:
    assert await asyncio.gather(*(records.read(list_batches) for _ in range(20))) == [[]] * 20
    assert len(records._all) == 1


async def test_what_is_written_is_read_also_in_a_thread(records: Records) -> None:
    await records.write(insert_batch, make_batch())

    def read_in_thread() -> str:
        with records.snapshot() as connection:
            found = find_batch(connection, BATCH)
        return "" if found is None else found.name

    assert await asyncio.to_thread(read_in_thread) == "spring"
    assert await records.look(lambda connection: len(list_batches(connection))) == 1


async def test_a_thread_may_be_the_first_to_ask(records: Records) -> None:
    assert await records.look(list_batches) == []


async def test_an_error_of_a_query_is_the_callers_and_the_ledger_stays_open(records: Records) -> None:
    await records.read(list_batches)
    before = records._current

    def fail(_: Connection) -> None:
        raise KeyError("mine")

    for call in (records.read, records.write):
        with pytest.raises(KeyError):
            await call(fail)
    with pytest.raises(KeyError):
        await records.look(fail)
    assert records._current is before
    assert open_connections(before.ledger) == 0 if before else False


async def test_after_a_failure_it_is_opened_anew_and_the_old_one_is_closed_behind_its_last_user(
    records: Records,
) -> None:
    def break_it(connection: Connection) -> None:
        connection.exec_driver_sql("SELECT * FROM nowhere")

    reading, may_end = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def read_slowly(connection: Connection) -> int:
        loop.call_soon_threadsafe(reading.set)
        asyncio.run_coroutine_threadsafe(may_end.wait(), loop).result()
        return len(list_batches(connection))

    await records.write(insert_batch, make_batch())
    before = records._current
    slow = asyncio.create_task(records.look(read_slowly))
    await reading.wait()
    with pytest.raises(LedgerUnavailable):
        await records.write(break_it)
    assert len(await records.read(list_batches)) == 1
    assert records._current is not before
    assert before in records._all
    may_end.set()
    assert await slow == 1
    await asyncio.gather(*records._closing)
    assert before not in records._all


async def test_it_waits_for_who_still_reads_before_it_closes(tmp_path: Path) -> None:
    order = []
    async with open_records(f"sqlite:///{tmp_path / 'ledger.db'}") as records:
        reading = asyncio.Event()
        loop = asyncio.get_running_loop()

        def read_slowly(connection: Connection) -> None:
            loop.call_soon_threadsafe(reading.set)
            list_batches(connection)
            order.append("read")

        slow = asyncio.create_task(records.look(read_slowly))
        await reading.wait()
    order.append("closed")
    await slow
    assert order == ["read", "closed"]


async def test_where_it_can_not_be_opened_all_who_wait_are_told_and_the_next_one_tries_again(
    tmp_path: Path,
) -> None:
    (tmp_path / "output").write_text("a file is in the way")
    async with open_records(f"sqlite:///{tmp_path / 'output' / 'ledger.db'}") as records:
        ends = await asyncio.gather(*(records.read(list_batches) for _ in range(3)), return_exceptions=True)
        assert len({id(end) for end in ends}) == 1
        assert isinstance(ends[0], UsageError)
        (tmp_path / "output").unlink()
        assert await records.read(list_batches) == []


@pytest.mark.postgres
async def test_a_database_server_that_was_restarted_is_asked_anew(postgres_server: PostgresServer) -> None:
    url = postgres_server.new_database()
    async with open_records(url) as records:
        await records.write(insert_batch, make_batch())
        await asyncio.to_thread(postgres_server.restart)
        assert len(await records.read(list_batches)) == 1
        await asyncio.to_thread(postgres_server.stop)
        for _ in range(2):
            with pytest.raises(LedgerUnavailable):
                await records.read(list_batches)
        await asyncio.to_thread(postgres_server.start)
        assert len(await records.read(list_batches)) == 1
        await asyncio.to_thread(postgres_server.restart)
        with pytest.raises(LedgerUnavailable):  # nobody knows of a write that failed whether it was taken
            await records.write(insert_batch, make_batch())
        assert len(await records.read(list_batches)) == 1
