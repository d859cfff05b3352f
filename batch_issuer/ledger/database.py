"""Opens the ledger and runs queries on it: synchronous queries, run off the event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from batch_issuer.clock import Clock
from batch_issuer.errors import LedgerUnavailable
from batch_issuer.ledger.databases import (
    Database,
    Examined,
    Run,
    copy_database,
    database_exists,
    database_file,
    examine_database,
    open_database,
)
from batch_issuer.ledger.dialects import reason_of
from batch_issuer.tasks import see_through

P = ParamSpec("P")
T = TypeVar("T")
Query = Callable[Concatenate[Connection, P], T]
_MACHINE: Final = Clock()


class Ledger:
    """The durable record of batches, requests and attempts.

    `read` and `write` run one query function in one transaction; `snapshot` serves threads that write
    reports. Every one of them raises LedgerUnavailable where the database fails.
    """

    def __init__(self, database: Database) -> None:
        """Take a database that is open."""
        self._database = database
        self._turns = asyncio.Semaphore(database.writers)

    @property
    def timeline(self) -> int:
        """A number that changes where the database may have lost committed work."""
        return self._database.timeline

    def now(self, connection: Connection) -> datetime:
        """Tell the time that all who share the ledger go by."""
        return self._database.now(connection)

    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query on a consistent view."""
        with _translated():
            return await self._database.read(lambda connection: query(connection, *args, **kwargs))

    async def write(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query in a transaction of its own that is durable when this returns."""
        with _translated():
            async with self._turns:
                return await self._database.write(lambda connection: query(connection, *args, **kwargs))

    async def write_block(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Write one of many blocks in a row: other processes get a turn after each."""
        result = await self.write(query, *args, **kwargs)
        if self._database.gap:
            await asyncio.sleep(self._database.gap)
        return result

    @asynccontextmanager
    async def writer(self) -> AsyncIterator[Run]:
        """Yield what does as `write` does, for whoever writes often and little."""
        async with self._database.writer() as write:

            async def write_in_turn(query: Callable[[Connection], T]) -> T:
                with _translated():
                    async with self._turns:
                        return await write(query)

            yield write_in_turn

    async def give_back(self, *, seconds: float) -> int:
        """Give space back to the disk, where that takes so many seconds at most; return the bytes.

        A server does that by itself, in its own time.
        """
        with _translated():
            return await see_through(asyncio.to_thread(self._database.give_back, seconds))

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Hold one consistent view, for use in a thread."""
        with _translated(), self._database.threads.connect() as connection:
            connection.execution_options(**self._database.reading)
            with connection.begin():
                yield connection


@asynccontextmanager
async def open_ledger(url: str, clock: Clock = _MACHINE) -> AsyncIterator[Ledger]:
    """Open a ledger, creating or migrating it where needed.

    Raises UsageError where it can't be opened, LedgerTooNew where a later version has written it, and
    LedgerUnavailable where its server can't be reached now. A server tells its own time; the users of a
    file go by `clock`.
    """
    async with open_database(url, clock) as database:
        yield Ledger(database)


def ledger_exists(url: str) -> bool:
    """Tell whether there is a ledger to open; opening one makes it."""
    return database_exists(url)


def copy_ledger(url: str, target: Path, *, on_pages: Callable[[], None]) -> None:
    """Copy a ledger that is a file into an empty file while others use it, neither opened nor migrated.

    `on_pages` may raise to stop. Raises UsageError where it can't be read, or is damaged.
    """
    copy_database(url, target, on_pages=on_pages)


def ledger_file(url: str) -> Path | None:
    """Return the file of a ledger, or None for one on a server."""
    return database_file(url)


def examine_ledger(url: str, *, seconds: float) -> Examined:
    """Look at a ledger without making or changing it; damage of a file is looked for some seconds at most.

    Raises what `open_ledger` would.
    """
    return examine_database(url, seconds=seconds)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as exc:
        raise LedgerUnavailable(f"the ledger can't be used now ({reason_of(exc)})") from exc
