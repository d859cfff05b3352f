"""The journal: one writer commits the transitions of many senders together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from sqlalchemy.exc import OperationalError

from batch_issuer.errors import LedgerUnavailable
from batch_issuer.ledger.database import Ledger
from batch_issuer.ledger.databases import Write
from batch_issuer.ledger.transitions import Transition, apply_transitions
from batch_issuer.tasks import Certain, see_through

T = TypeVar("T")
_CLOSE: Final = None
_Entry = tuple[tuple[Transition, ...], Certain[None]]


class Journal:
    """Takes transitions and returns when they are durable.

    While one transaction is being committed the next entries gather; they share the next commit. So
    the delay of an entry is at most two commits, and senders do not wait for each other's turn.
    """

    def __init__(self, write: Write) -> None:
        """Write in this way; `open_journal` starts the writer."""
        self._write_durably = write
        self._entries: asyncio.Queue[_Entry | None] = asyncio.Queue()
        self._is_closed = False

    async def record(self, *transitions: Transition) -> None:
        """Write transitions in one transaction, and see it through even when the caller is cancelled.

        Raises LedgerUnavailable where that was not possible.
        """
        if self._is_closed:
            raise LedgerUnavailable("the journal is closed; nothing more is recorded")
        done = Certain[None]()
        self._entries.put_nowait((transitions, done))
        await done

    async def _write_until_closed(self) -> None:
        closing = False
        while not closing:
            gathered = [await self._entries.get()]
            while not self._entries.empty():
                gathered.append(self._entries.get_nowait())
            entries = [entry for entry in gathered if entry is not _CLOSE]
            closing = len(entries) < len(gathered)
            if entries:
                await self._write(entries)

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
        self._entries.put_nowait(_CLOSE)


def _tell(entries: list[_Entry], failure: Exception | None) -> None:
    for _, done in entries:
        if done.done():  # its waiter went away with the event loop
            continue
        if failure is None:
            done.set_result(None)
        else:
            done.set_exception(failure)


@asynccontextmanager
async def open_journal(ledger: Ledger) -> AsyncIterator[Journal]:
    """Run a journal's writer; on leaving, what was recorded before is still written."""
    async with ledger.writer() as write:
        journal = Journal(write)
        writer = asyncio.create_task(journal._write_until_closed(), name="journal")  # noqa: SLF001 - its opener
        try:
            yield journal
        finally:
            journal._close()  # noqa: SLF001 - its opener
            await see_through(writer)
