"""The journal: one writer commits the transitions of many senders together."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import perf_counter, thread_time
from typing import Final

from sqlalchemy.exc import OperationalError

from batch_issuer.errors import LedgerUnavailable
from batch_issuer.ledger.database import Ledger
from batch_issuer.ledger.databases import Run
from batch_issuer.ledger.transitions import Transition, apply_transitions
from batch_issuer.tasks import Certain, see_through

_GATHERING_SECONDS: Final = 0.008
_LOAD_SECONDS: Final = 0.3
_HIGH_LOAD: Final = 0.7
_Entry = tuple[tuple[Transition, ...], Certain[None]]


class Load:
    """Tells whether the event loop has been at work most of the time lately, or has mostly waited."""

    def __init__(
        self, now: Callable[[], float] = perf_counter, worked: Callable[[], float] = thread_time
    ) -> None:
        """Take the time, and the time that the loop's thread has worked."""
        self._now, self._worked = now, worked
        self._since, self._worked_before = now(), worked()
        self._is_high = False

    def is_high(self) -> bool:
        """Look again if the last look was some time ago."""
        elapsed = self._now() - self._since
        if elapsed >= _LOAD_SECONDS:
            worked = self._worked()
            self._is_high = worked - self._worked_before > _HIGH_LOAD * elapsed
            self._since, self._worked_before = self._since + elapsed, worked
        return self._is_high


class Journal:
    """Takes transitions and returns when they are durable.

    While one transaction is being committed the next entries gather; they share the next commit. So
    the delay of an entry is at most two commits, and senders do not wait for each other's turn. Where
    the processor is what everybody waits for, entries gather some milliseconds longer: then each commit
    less is time for the senders.
    """

    def __init__(self, write: Run, load: Load) -> None:
        """Write in this way; `open_journal` starts the writer."""
        self._write_durably = write
        self._load = load
        self._entries: list[_Entry] = []
        self._has_more = asyncio.Event()
        self._is_closed = False

    async def record(self, *transitions: Transition) -> None:
        """Write transitions in one transaction, and see it through even when the caller is cancelled.

        Raises LedgerUnavailable where that was not possible.
        """
        if self._is_closed:
            raise LedgerUnavailable("the journal is closed; nothing more is recorded")
        done = Certain[None]()
        self._entries.append((transitions, done))
        self._has_more.set()
        await done

    async def _write_until_closed(self) -> None:
        while self._entries or not self._is_closed:
            await self._has_more.wait()
            self._has_more.clear()
            await self._gather()
            entries, self._entries = self._entries, []
            if entries:
                await self._write(entries)

    async def _gather(self) -> None:
        """Under load, wait as long as each turn of the loop brings more entries."""
        until = perf_counter() + _GATHERING_SECONDS
        gathered = 0
        while gathered < len(self._entries) and self._load.is_high() and perf_counter() < until:
            gathered = len(self._entries)
            await asyncio.sleep(0)

    async def _write(self, entries: list[_Entry]) -> None:
        """Commit entries together; where one of them is at fault, each alone, so that no other is lost."""
        try:
            steps = [step for steps, _ in entries for step in steps]
            await self._write_durably(lambda connection: apply_transitions(connection, steps))
        except Exception as exc:  # noqa: BLE001 - whatever failed, each waiting sender must be told
            failure: Exception | None = exc
        else:
            failure = None
        if failure is None or len(entries) == 1 or isinstance(failure.__cause__, OperationalError):
            _tell(entries, failure)
            return
        for entry in entries:
            await self._write([entry])

    def _close(self) -> None:
        self._is_closed = True
        self._has_more.set()


def _tell(entries: list[_Entry], failure: Exception | None) -> None:
    for _, done in entries:
        if done.done():  # its waiter went away with the event loop
            continue
        if failure is None:
            done.set_result(None)
        else:
            done.set_exception(failure)


@asynccontextmanager
async def open_journal(ledger: Ledger, load: Load | None = None) -> AsyncIterator[Journal]:
    """Run a journal's writer; on leaving, what was recorded before is still written."""
    async with ledger.writer() as write:
        journal = Journal(write, load or Load())
        writer = asyncio.create_task(journal._write_until_closed(), name="journal")  # noqa: SLF001 - its opener
        try:
            yield journal
        finally:
            journal._close()  # noqa: SLF001 - its opener
            await see_through(writer)
