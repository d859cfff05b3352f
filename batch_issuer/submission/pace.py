"""The pace of API calls: evenly spaced from the first one, for all processes that share a ledger."""

import asyncio
from datetime import datetime, timedelta

from batch_issuer.clock import Clock
from batch_issuer.ledger import Ledger, Run
from batch_issuer.ledger.pace import is_void, postpone_calls, reserve_call
from batch_issuer.planning import seconds_between_calls
from batch_issuer.tasks import until_first


class Pace:
    """Waits for the turn of each API call of one server and organisation."""

    def __init__(
        self, ledger: Ledger, *, server: str, rate: float, clock: Clock, write: Run | None = None
    ) -> None:
        """Pace calls at 1% under `rate` calls a minute; 0 is unlimited, yet our own 429 is still heeded.

        `write` is a faster way to write to the ledger, where there is one.
        """
        self._ledger = ledger
        self._write = write or ledger.write
        self._server = server
        self._interval = timedelta(seconds=seconds_between_calls(rate))
        self._clock = clock
        self._not_before: datetime | None = None

    async def wait(self, stopping: asyncio.Event) -> None:
        """Return when the next call may start, or as soon as a stop is asked for."""
        while not stopping.is_set():
            if not await (self._take_turn(stopping) if self._interval else self._sit_out(stopping)):
                return

    async def _take_turn(self, stopping: asyncio.Event) -> bool:
        """Wait for a turn; tell whether a 429, of any process, made it void meanwhile."""
        now, interval = self._ledger.now, self._interval
        turn = await self._write(lambda connection: reserve_call(connection, self._server, now, interval))
        if turn.delay <= timedelta(0):
            return False
        await pause(turn.delay.total_seconds(), self._clock, stopping)
        return await self._write(lambda connection: is_void(connection, self._server, turn))

    async def _sit_out(self, stopping: asyncio.Event) -> bool:
        """Wait for what a 429 asked for; tell whether there was anything to wait for."""
        left = timedelta(0) if self._not_before is None else self._not_before - self._clock.now()
        if left <= timedelta(0):
            return False
        await pause(left.total_seconds(), self._clock, stopping)
        return True

    async def postpone(self, seconds: float) -> None:
        """Keep every call away for some seconds, also those of other processes."""
        delay = timedelta(seconds=seconds)
        until = self._clock.now() + delay
        self._not_before = max(until, self._not_before or until)
        now = self._ledger.now
        await self._write(lambda connection: postpone_calls(connection, self._server, now, delay))


async def pause(seconds: float, clock: Clock, stopping: asyncio.Event) -> None:
    """Sleep, but no longer than until a stop is asked for."""
    await until_first(clock.sleep(seconds), stopping.wait())
