"""The pace of API calls: evenly spaced from the first one, for all processes that share a ledger."""

import asyncio
from datetime import datetime, timedelta

from batch_issuer.clock import Clock
from batch_issuer.ledger import Ledger
from batch_issuer.ledger.pace import postpone_calls, reserve_call
from batch_issuer.planning import seconds_between_calls


class Pace:
    """Waits for the turn of each API call of one server and organisation."""

    def __init__(self, ledger: Ledger, *, server: str, rate: float, clock: Clock) -> None:
        """Pace calls at 1% under `rate` calls a minute; 0 is unlimited, yet a 429 is still heeded."""
        self._ledger = ledger
        self._server = server
        self._interval = timedelta(seconds=seconds_between_calls(rate))
        self._clock = clock
        self._not_before: datetime | None = None

    async def wait(self, stopping: asyncio.Event) -> None:
        """Return when the next call may start, or as soon as a stop is asked for."""
        while not stopping.is_set():
            known = self._not_before
            if self._interval:
                delay = await self._ledger.write(reserve_call, self._server, self._clock.now, self._interval)
            else:
                delay = self._postponed_for()
            if delay > timedelta(0):
                await pause(delay.total_seconds(), self._clock, stopping)
            if self._not_before == known:  # else a 429 came meanwhile, and this turn is void
                return

    def _postponed_for(self) -> timedelta:
        left = timedelta(0) if self._not_before is None else self._not_before - self._clock.now()
        return max(left, timedelta(0))

    async def postpone(self, seconds: float) -> None:
        """Keep every call away for some seconds."""
        until = self._clock.now() + timedelta(seconds=seconds)
        self._not_before = max(until, self._not_before or until)
        if self._interval:
            await self._ledger.write(postpone_calls, self._server, until)


async def pause(seconds: float, clock: Clock, stopping: asyncio.Event) -> None:
    """Sleep, but no longer than until a stop is asked for."""
    sleeping = asyncio.ensure_future(clock.sleep(seconds))
    stopped = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({sleeping, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        sleeping.cancel()
        stopped.cancel()
