"""The journal: one writer commits the transitions of many senders together."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from batch_issuer.ledger.database import Ledger
from batch_issuer.ledger.transitions import Transition, apply_transitions

T = TypeVar("T")
_CLOSE: Final = None
_Entry = tuple[tuple[Transition, ...], asyncio.Future[None]]


class Journal:
    """Takes transitions and returns when they are durable.

    While one transaction is being committed the next entries gather; they share the next commit. So
    the delay of an entry is at most two commits, and senders do not wait for each other's turn.
    """

    def __init__(self, ledger: Ledger) -> None:
        """Write to this ledger; `open_journal` starts the writer."""
        self._ledger = ledger
        self._entries: asyncio.Queue[_Entry | None] = asyncio.Queue()

    async def record(self, *transitions: Transition) -> None:
        """Write transitions in one transaction, and see it through even when the caller is cancelled.

        Raises LedgerUnavailable where that was not possible.
        """
        done = asyncio.get_running_loop().create_future()
        self._entries.put_nowait((transitions, done))
        await see_through(_wait_for(done))

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
        try:
            await self._ledger.write(apply_transitions, [step for steps, _ in entries for step in steps])
        except Exception as exc:  # noqa: BLE001 - whatever failed, each waiting sender must be told
            for _, done in entries:
                done.set_exception(exc)
        else:
            for _, done in entries:
                done.set_result(None)

    def _close(self) -> None:
        self._entries.put_nowait(_CLOSE)


@asynccontextmanager
async def open_journal(ledger: Ledger) -> AsyncIterator[Journal]:
    """Run a journal's writer; on leaving, what was recorded before is still written."""
    journal = Journal(ledger)
    writer = asyncio.create_task(journal._write_until_closed(), name="journal")  # noqa: SLF001 - its opener
    try:
        yield journal
    finally:
        journal._close()  # noqa: SLF001 - its opener
        await see_through(writer)


async def _wait_for(done: asyncio.Future[None]) -> None:
    await done


async def see_through(work: Coroutine[Any, Any, T] | asyncio.Task[T]) -> T:
    """Finish some work even when the caller is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
