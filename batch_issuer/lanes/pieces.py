"""The pieces of work of one run of lanes, as whoever began it sees them come back from an engine."""

import asyncio
from collections.abc import Iterable
from typing import Any

from batch_issuer.clock import Clock
from batch_issuer.engine import Engine
from batch_issuer.errors import NotFinished
from batch_issuer.lanes.driving import drive_lane
from batch_issuer.lanes.job import LaneEnd, LaneJob
from batch_issuer.metrics import Measurements
from batch_issuer.submission import Stop


class Pieces:
    """One piece for each lane, under way until it comes back or is given up."""

    def __init__(self, engine: Engine, jobs: Iterable[LaneJob], measurements: Measurements) -> None:
        """Hand all of them to the engine; what they measure is added to what was measured here."""
        self._measurements = measurements
        self._pending = {asyncio.create_task(_drive(engine, job), name=f"lane {job.lane}") for job in jobs}
        self.stop: Stop | None = None
        """Why the first of them that had a reason ended the run."""
        self.came_back = 0
        """How many have found nothing more to do."""
        self._error: BaseException | None = None

    @property
    def are_under_way(self) -> bool:
        """Whether any has not come back."""
        return bool(self._pending)

    async def wait(self, seconds: float, clock: Clock, stopping: asyncio.Event | None = None) -> None:
        """Return when one comes back, a stop is asked for, or some time has passed."""
        others: list[asyncio.Future[Any]] = [asyncio.ensure_future(clock.tick(seconds))]
        if stopping is not None:
            others.append(asyncio.create_task(stopping.wait()))
        try:
            await asyncio.wait({*self._pending, *others}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for other in others:
                other.cancel()
        for piece in [piece for piece in self._pending if piece.done()]:
            self._pending.remove(piece)
            if not piece.cancelled():
                self._take(piece)

    def _take(self, piece: asyncio.Task[LaneEnd]) -> None:
        match piece.exception():
            case None:
                end = piece.result()
                self.stop = self.stop or end.stop
                self._measurements.take(end.measurements)
                self.came_back += 1
            case NotFinished() as exc:  # of the engine, or of the ledger as a worker sees it
                self.stop = self.stop or Stop(message=str(exc), exit_code=exc.exit_code)
            case error:
                self._error = self._error or error

    @property
    def are_stopped(self) -> bool:
        """Whether there is a reason to end the run."""
        return self.stop is not None or self._error is not None

    def check(self) -> None:
        """Raise what one of them has raised, but for what leaves work to be taken up again."""
        if self._error is not None:
            raise self._error

    async def give_up(self) -> None:
        """Leave those that are under way to themselves."""
        for piece in self._pending:
            piece.cancel()
        if self._pending:
            await asyncio.wait(self._pending)
        self._pending.clear()


async def _drive(engine: Engine, job: LaneJob) -> LaneEnd:
    return await engine.run(drive_lane, job, waits=True)
