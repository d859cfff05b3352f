"""The lease of the console: one server does the background work of a ledger."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from batch_issuer.clock import Clock
from batch_issuer.errors import BatchInUse, ConsoleInUse
from batch_issuer.ledger.records import Records
from batch_issuer.processes import Process
from batch_issuer.submission import Lease, LeaseTerms, hold_lease

NAME: Final = "console"
_TERMS: Final = LeaseTerms(seconds=60.0, reserve=0.0)
_LOOK_SECONDS: Final = 2.0


@asynccontextmanager
async def only_console(records: Records, *, process: Process, clock: Clock) -> AsyncIterator[Lease]:
    """Be the only server that does the background work of a ledger.

    One that is provably dead is replaced at once. Of another machine or container nobody knows that; so
    its lease is watched, and where it is not renewed it runs out. Raises ConsoleInUse.
    """
    async with AsyncExitStack() as stack:
        left: float | None = None
        while True:
            try:
                lease = await stack.enter_async_context(
                    hold_lease(records, NAME, terms=_TERMS, process=process, clock=clock)
                )
                break
            except BatchInUse as exc:
                was, left = left, exc.seconds or 0.0
                if exc.is_known_to_run or (was is not None and left > was - _LOOK_SECONDS / 2):
                    raise ConsoleInUse(who=exc.who) from exc
            await clock.sleep(_LOOK_SECONDS)
        yield lease
