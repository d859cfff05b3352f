"""Runs transactions on a file: in a thread from start to end, or, where they are short, on the event loop.

A driver that hands each statement to a thread of its own makes the loop wait for that thread, and that thread
for the loop, some ten times a transaction. Here it is once, or not at all.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, RootTransaction
from sqlalchemy.exc import OperationalError

from batch_issuer.ledger.databases.database import Run
from batch_issuer.tasks import see_through

T = TypeVar("T")

NOW: Final = "now"
IN_TURN: Final = "in turn"
"""How a transaction that writes begins: if no other program does, or when its turn comes."""
_FAST_SECONDS: Final = 0.002
_REMEMBERED: Final = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Threads:
    """Threads that run transactions with connections of one engine."""

    engine: Engine
    pool: ThreadPoolExecutor

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run a query on a consistent view."""
        return await in_thread(self.pool, lambda: self._run(query))

    async def write(self, query: Callable[[Connection], T]) -> T:
        """Run a query that writes, when no other program does."""
        return await in_thread(self.pool, lambda: self._run(query, writing=IN_TURN))

    def _run(self, query: Callable[[Connection], T], **options: Any) -> T:  # noqa: ANN401 - execution options
        with self.engine.connect().execution_options(**options) as connection, connection.begin():
            return query(connection)


async def in_thread(pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    """Do some work in a thread, and see it through: a transaction that began is never left half known."""
    return await see_through(asyncio.get_running_loop().run_in_executor(pool, work))


@asynccontextmanager
async def open_writer(
    engine: Engine, *, is_busy: Callable[[OperationalError], bool], now: Callable[[], float] = perf_counter
) -> AsyncIterator[Run]:
    """Yield what writes often and little, with a connection of its own.

    A few rows take some microseconds each on the loop. What may take long goes to a thread: waiting until
    no other program writes, and the commit, as long as commits are not known to be fast here.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="journal") as thread:
        writer = _Writer(engine, thread, is_busy, now)
        try:
            yield writer
        finally:
            writer.close()


class _Writer:
    def __init__(
        self,
        engine: Engine,
        thread: ThreadPoolExecutor,
        is_busy: Callable[[OperationalError], bool],
        now: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._thread = thread
        self._is_busy = is_busy
        self._now = now
        self._connection: Connection | None = None
        self._commit_seconds = 2 * _FAST_SECONDS

    async def __call__(self, query: Callable[[Connection], T]) -> T:
        if self._connection is None:
            self._connection = await in_thread(self._thread, self._engine.connect)
        try:
            transaction = await self._begin(self._connection)
            result = query(self._connection)
            await self._commit(transaction)
        except BaseException:
            await in_thread(self._thread, self.close)  # rolled back; the next one gets a new connection
            raise
        return result

    def close(self) -> None:
        """Give the connection back, and with it what was not committed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    async def _begin(self, connection: Connection) -> RootTransaction:
        connection.execution_options(writing=NOW)
        try:
            return connection.begin()
        except OperationalError as exc:
            if not self._is_busy(exc):
                raise
        connection.execution_options(writing=IN_TURN)
        return await in_thread(self._thread, connection.begin)

    async def _commit(self, transaction: RootTransaction) -> None:
        if self._commit_seconds < _FAST_SECONDS:
            self._commit_timed(transaction)
        else:
            await in_thread(self._thread, lambda: self._commit_timed(transaction))

    def _commit_timed(self, transaction: RootTransaction) -> None:
        """Commit; a slow one is remembered for some time: the loop must not wait for such a disk."""
        begun = self._now()
        transaction.commit()
        self._commit_seconds = max(self._now() - begun, self._commit_seconds * _REMEMBERED)
