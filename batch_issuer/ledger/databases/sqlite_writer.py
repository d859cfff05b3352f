"""Writes often and little to a file: statements run on the event loop, what waits for a disk in a thread."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from sqlalchemy import Connection, Engine, RootTransaction
from sqlalchemy.exc import OperationalError

from batch_issuer.ledger.databases.database import Write
from batch_issuer.tasks import see_through

T = TypeVar("T")


@asynccontextmanager
async def open_writer(engine: Engine, *, is_busy: Callable[[OperationalError], bool]) -> AsyncIterator[Write]:
    """Yield what writes with a connection of its own.

    A few rows take some microseconds each, far less than to hand each statement to a thread and to hear
    of its end. What may take long does go there: waiting until no other program writes, and the commit.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="journal") as thread:
        writer = _Writer(engine, thread, is_busy)
        try:
            yield writer
        finally:
            writer.close()


class _Writer:
    def __init__(
        self, engine: Engine, thread: ThreadPoolExecutor, is_busy: Callable[[OperationalError], bool]
    ) -> None:
        self._engine = engine
        self._thread = thread
        self._is_busy = is_busy
        self._connection: Connection | None = None

    async def __call__(self, query: Callable[[Connection], T]) -> T:
        if self._connection is None:
            self._connection = await self._in_thread(self._connect)
        try:
            transaction = await self._begin(self._connection)
            result = query(self._connection)
            await self._in_thread(transaction.commit)
        except BaseException:
            await self._in_thread(self.close)  # rolled back; the next one gets a new connection
            raise
        return result

    def close(self) -> None:
        """Give the connection back, and with it what was not committed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connect(self) -> Connection:
        return self._engine.connect()

    async def _begin(self, connection: Connection) -> RootTransaction:
        connection.execution_options(writing="now")
        try:
            return connection.begin()
        except OperationalError as exc:
            if not self._is_busy(exc):
                raise
        connection.execution_options(writing="in turn")
        return await self._in_thread(connection.begin)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await see_through(asyncio.get_running_loop().run_in_executor(self._thread, work))
