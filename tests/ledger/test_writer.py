"""Writing often and little to a file: on the event loop, but for what would keep it waiting."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.exc import OperationalError

from batch_issuer.ledger import Ledger
from batch_issuer.ledger.databases.database import Run
from batch_issuer.ledger.databases.sqlite import _is_busy
from batch_issuer.ledger.databases.sqlite_threads import open_writer
from tests.conftest import ledger_at

OpenWriter = Callable[..., AbstractAsyncContextManager[Run]]


@pytest.fixture
async def ledger(ledger_path: Path) -> AsyncIterator[Ledger]:
    async with ledger_at(ledger_path) as opened:
        yield opened


@pytest.fixture
def opening(ledger: Ledger) -> OpenWriter:
    @asynccontextmanager
    async def opening(now: Callable[[], float] = lambda: 0.0) -> AsyncIterator[Run]:
        async with open_writer(ledger._database.threads, is_busy=_is_busy, now=now) as write:
            yield write

    return opening


class CommitThreads:
    """Notes the thread of each commit."""

    def __init__(self, ledger: Ledger) -> None:
        self.on_loop: list[bool] = []
        event.listen(ledger._database.threads, "commit", self._add)

    def _add(self, _connection: object) -> None:
        self.on_loop.append(threading.current_thread() is threading.main_thread())


def note(connection: Connection) -> None:
    connection.exec_driver_sql("insert into leases (name) values (hex(randomblob(8)))")


def notes(path: Path) -> int:
    with closing(sqlite3.connect(path)) as other:
        return int(other.execute("select count(*) from leases").fetchone()[0])


async def test_what_was_written_is_there_for_others(opening: OpenWriter, ledger_path: Path) -> None:
    async with opening() as write:
        await write(note)
        await write(note)
        assert notes(ledger_path) == 2


async def test_commits_stay_on_the_loop_where_they_are_fast(opening: OpenWriter, ledger: Ledger) -> None:
    commits = CommitThreads(ledger)
    async with opening() as write:
        for _ in range(6):
            await write(note)
    assert commits.on_loop[0] is False  # nothing is known yet of this disk
    assert commits.on_loop[-1] is True


async def test_commits_go_to_a_thread_where_the_disk_is_slow(opening: OpenWriter, ledger: Ledger) -> None:
    commits = CommitThreads(ledger)
    seconds = iter(range(1_000))
    async with opening(lambda: next(seconds)) as write:
        for _ in range(6):
            await write(note)
    assert commits.on_loop == [False] * 6


async def test_the_loop_goes_on_while_another_program_writes(opening: OpenWriter, ledger_path: Path) -> None:
    async with opening() as write:
        await write(note)
        with closing(sqlite3.connect(ledger_path, isolation_level=None)) as other:
            other.execute("begin immediate")
            writing = asyncio.ensure_future(write(note))
            for _ in range(100):
                await asyncio.sleep(0)
            assert not writing.done()
            other.execute("rollback")
        await writing
    assert notes(ledger_path) == 2


async def test_what_fails_leaves_nothing_and_the_next_is_written(
    opening: OpenWriter, ledger_path: Path
) -> None:
    def fail(connection: Connection) -> None:
        note(connection)
        connection.exec_driver_sql("insert into nowhere values (1)")

    async with opening() as write:
        with pytest.raises(OperationalError, match="nowhere"):
            await write(fail)
        await write(note)
    assert notes(ledger_path) == 1


async def test_one_that_is_cancelled_is_written_whole_or_not_at_all(
    opening: OpenWriter, ledger_path: Path
) -> None:
    async with opening(lambda: 0.0) as write:
        writing = asyncio.ensure_future(write(note))
        await asyncio.sleep(0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        assert notes(ledger_path) in {0, 1}
        before = notes(ledger_path)
        await write(note)
    assert notes(ledger_path) == before + 1
