"""The ledger as a server that runs for months uses it: opened when it is needed, and anew after a failure."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import datetime
from typing import Final, ParamSpec, TypeVar

from sqlalchemy import Connection

from batch_issuer.clock import Clock
from batch_issuer.errors import LedgerUnavailable
from batch_issuer.ledger.database import Ledger, Query, open_ledger
from batch_issuer.tasks import see_through

P = ParamSpec("P")
T = TypeVar("T")
_MACHINE: Final = Clock()


class _Opened:
    """A ledger that is open, and how many use it right now."""

    def __init__(self, ledger: Ledger, stack: AsyncExitStack) -> None:
        self.ledger = ledger
        self.stack = stack
        self.uses = 0
        self.is_stale = False
        self.unused = asyncio.Event()


class Records:
    """`read`, `write` and `snapshot` as a Ledger has them.

    A command ends where its ledger fails, and is started anew; a server goes on. What fails is told as
    LedgerUnavailable, and the next use looks at the ledger with fresh eyes. Only a read is tried again at
    once: nobody knows of a write that failed whether it was taken.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        """Open nothing yet."""
        self._url = url
        self._clock = clock
        self._current: _Opened | None = None
        self._latest: Ledger | None = None
        self._opening: asyncio.Task[_Opened] | None = None
        self._all: set[_Opened] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query on a consistent view."""
        was_open = self._current is not None
        try:
            async with self._in_use() as ledger:
                return await ledger.read(query, *args, **kwargs)
        except LedgerUnavailable:
            if not was_open:  # it was opened just now: nothing fresher is to be had
                raise
        async with self._in_use() as ledger:
            return await ledger.read(query, *args, **kwargs)

    async def write(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query in a transaction of its own that is durable when this returns."""
        async with self._in_use() as ledger:
            return await ledger.write(query, *args, **kwargs)

    async def write_block(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Write one of many blocks in a row: other processes get a turn after each."""
        async with self._in_use() as ledger:
            return await ledger.write_block(query, *args, **kwargs)

    def now(self, connection: Connection) -> datetime:
        """Tell the time that all who share the ledger go by, in a transaction of ours."""
        if self._latest is None:
            raise AssertionError("no transaction is open")
        return self._latest.now(connection)

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Hold one consistent view, for use in a thread, and only there."""
        opened = asyncio.run_coroutine_threadsafe(self._take(), self._loop).result()
        try:
            with opened.ledger.snapshot() as connection:
                yield connection
        except LedgerUnavailable:
            self._loop.call_soon_threadsafe(self._give_up, opened)
            raise
        finally:
            self._loop.call_soon_threadsafe(self._give_back, opened)

    async def look(self, query: Callable[[Connection], T]) -> T:
        """Run a query that may take long on a view of its own, in a thread."""

        def run() -> T:
            with self.snapshot() as connection:
                return query(connection)

        return await see_through(asyncio.to_thread(run))

    async def close(self) -> None:
        """Close what is open, after those who use it."""
        if self._opening is not None:
            await asyncio.wait({self._opening})
        for opened in tuple(self._all):
            self._give_up(opened)
            await opened.unused.wait()
        await asyncio.gather(*self._closing)

    @asynccontextmanager
    async def _in_use(self) -> AsyncIterator[Ledger]:
        opened = await self._take()
        try:
            yield opened.ledger
        except LedgerUnavailable:
            self._give_up(opened)
            raise
        finally:
            self._give_back(opened)

    async def _take(self) -> _Opened:
        while self._current is None:
            if self._opening is None:
                self._opening = asyncio.create_task(self._open(), name="open the ledger")
                self._opening.add_done_callback(_heard)
            await asyncio.shield(self._opening)  # all who wait share one try, and how it ended
        self._current.uses += 1
        return self._current

    async def _open(self) -> _Opened:
        try:
            async with AsyncExitStack() as stack:
                ledger = await stack.enter_async_context(open_ledger(self._url, self._clock))
                self._latest = ledger
                opened = self._current = _Opened(ledger, stack.pop_all())
            self._all.add(opened)
            return opened
        finally:
            self._opening = None

    def _give_up(self, opened: _Opened) -> None:
        """Let nobody use it any more; who still does finishes."""
        opened.is_stale = True
        if self._current is opened:
            self._current = None
        self._close_unused(opened)

    def _give_back(self, opened: _Opened) -> None:
        opened.uses -= 1
        self._close_unused(opened)

    def _close_unused(self, opened: _Opened) -> None:
        if opened.is_stale and not opened.uses and opened in self._all:
            self._all.remove(opened)
            opened.unused.set()
            closing = asyncio.create_task(opened.stack.aclose(), name="close the ledger")
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)


def _heard(opening: asyncio.Task[_Opened]) -> None:
    """Take note of how opening ended, also where all who waited for it are gone."""
    if not opening.cancelled():
        opening.exception()


@asynccontextmanager
async def open_records(url: str, clock: Clock = _MACHINE) -> AsyncIterator[Records]:
    """Yield the ledger of a URL, opened on first use; and close it in the end."""
    records = Records(url, clock)
    try:
        yield records
    finally:
        await see_through(records.close())
