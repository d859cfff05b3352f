"""Runs of lanes, as whoever sends the batch conducts them: one after another, until nothing is left."""

import logging
import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from batch_issuer.assembly import Services
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.engine import Engine
from batch_issuer.errors import LedgerUnavailable
from batch_issuer.lanes.job import LaneJob, lanes_for, shares_of
from batch_issuer.lanes.pieces import Pieces
from batch_issuer.lanes.watched_progress import WatchedProgress
from batch_issuer.ledger import Batch, LeaseKey
from batch_issuer.ledger.claims import count_claimable
from batch_issuer.ledger.lanes import Look, end_runs, look_at_lanes, run_of
from batch_issuer.planning import seconds_between_calls
from batch_issuer.submission import Lease, Stop

log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 2.0
_NOBODY_SECONDS: Final = 60.0
"""So long nobody may take a lane before whoever waits for that gives up."""
_WORD_SECONDS: Final = 10.0
"""So long a lane's word may be on its way, after the lane has ended the run."""
_PATIENCE: Final = 5
_IN_VAIN: Final = 3
"""After so many runs in a row that left as much as there was, there is no other."""

_NOBODY: Final = Stop(
    message=f"no worker began to send within {_NOBODY_SECONDS:.0f} s; look whether the engine has any",
    exit_code=ExitCode.NOT_FINISHED,
)
_WORD_LOST: Final = Stop(
    message="a worker stopped the batch, and was lost before it could say why; its own log does",
    exit_code=ExitCode.NOT_FINISHED,
)
_DIED_AGAIN: Final = Stop(
    message="workers end again and again before they have sent anything; look at their logs",
    exit_code=ExitCode.NOT_FINISHED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What came of one run of lanes."""

    stop: Stop | None = None
    is_anything_left: bool = False
    """A lane was over before it had sent what was its: another run goes on with that."""


class Lanes:
    """Sends what is not sent of a batch by an engine. The attempts of all its runs count together."""

    def __init__(
        self, services: Services, engine: Engine, batch: Batch, lease: Lease, *, unsent: int
    ) -> None:
        """Take a batch whose lease is held, and of which so much is unsent."""
        self._services = services
        self._engine = engine
        self._batch = batch
        self._lease = lease
        self._sending = secrets.token_hex(8)
        self._progress = WatchedProgress(services, batch.batch, unsent=unsent)
        self._left = 0
        self._in_vain = 0

    async def send_all(self) -> Round:
        """Send until every lane has ended, and none of them is held by anybody.

        Raises BatchTakenOver and LedgerUnavailable, and what makes a worker unfit to send.
        """
        services = self._services
        await self._look()
        async with services.lease(run_of(self._batch.batch)) as run:
            pieces = Pieces(self._engine, self._jobs(run.key), services.measurements)
            try:
                with services.measurements.sending(
                    seconds_between_calls=seconds_between_calls(services.settings.rate),
                    uptime=services.clock.uptime,
                ):
                    look = await self._follow(pieces, run.key)
                    stop = await self._drain(pieces, look)
                    await self._hear_out(pieces)
            finally:
                await pieces.give_up()
        await self._progress.look(is_last=True)
        pieces.check()
        if stop is not None or services.stopping.is_set():
            return Round(stop=stop)
        return await self._what_is_left()

    def _jobs(self, run: LeaseKey) -> list[LaneJob]:
        services = self._services
        lanes = lanes_for(services.settings, width=self._engine.width)
        return [
            LaneJob(
                site=services.site,
                batch=self._batch.batch,
                org_id=self._batch.org_id,
                lane=number,
                concurrency=share,
                run=run,
                sending=self._sending,
                timeline=services.ledger.timeline,
            )
            for number, share in enumerate(shares_of(services.settings.concurrency, lanes))
        ]

    async def _follow(self, pieces: Pieces, run: LeaseKey) -> Look:
        """Return the last look when the run has to end: nothing is left to do, or a reason not to do it."""
        clock, stopping = self._services.clock, self._services.stopping
        in_vain = 0
        while True:
            await pieces.wait(_LOOK_SECONDS, clock, stopping)
            look = await self._look(run)
            await self._progress.look()
            # counted, not timed: a machine that slept has not waited
            in_vain = 0 if look.held or look.buried else in_vain + 1
            is_done = not pieces.are_under_way or (pieces.came_back and not look.held)
            if is_done or pieces.are_stopped or stopping.is_set() or not look.is_on:
                return look
            if in_vain * _LOOK_SECONDS > _NOBODY_SECONDS:
                pieces.stop = _NOBODY
                return look

    async def _drain(self, pieces: Pieces, look: Look) -> Stop | None:
        """End the run, wait until no lane is held, and return why, if one of them has ended it."""
        clock, settings = self._services.clock, self._services.settings
        was_ended = not (look.is_on or self._services.stopping.is_set())
        began = clock.uptime()
        while (await self._look()).held:
            if self._is_stopped(pieces) and clock.uptime() - began > settings.timeout + _WORD_SECONDS:
                break
            await pieces.wait(_LOOK_SECONDS, clock)
        began = clock.uptime()
        while was_ended and pieces.are_under_way and not pieces.are_stopped:
            if clock.uptime() - began > _WORD_SECONDS:
                break
            await pieces.wait(_LOOK_SECONDS, clock)
        return _WORD_LOST if was_ended and not pieces.are_stopped else pieces.stop

    async def _hear_out(self, pieces: Pieces) -> None:
        """Let those come back that have ended: what they have measured counts."""
        came_back = -1
        while pieces.are_under_way and pieces.came_back > came_back:
            came_back = pieces.came_back
            await pieces.wait(_LOOK_SECONDS, self._services.clock)

    def _is_stopped(self, pieces: Pieces) -> bool:
        return pieces.are_stopped or self._services.stopping.is_set()

    async def _look(self, run: LeaseKey | None = None) -> Look:
        """Look at the lanes, and end whatever run there is but this one.

        A ledger that fails is looked at again a few times: the lanes may go on meanwhile.
        """
        for _ in range(_PATIENCE):
            with suppress(LedgerUnavailable):
                return await self._look_once(run)
            await self._services.clock.tick(_LOOK_SECONDS)
        return await self._look_once(run)

    async def _look_once(self, run: LeaseKey | None) -> Look:
        batch, claim, at = self._batch.batch, self._lease.claim, self._services.clock.timestamp()
        if run is None:
            look = await self._lease.write(end_runs, batch, claim, at=at)
        else:
            look = await self._lease.write(look_at_lanes, batch, claim, run=run, at=at)
        for lane in look.buried:
            log.warning("lane buried", extra={"batch": batch, "lane": lane})
        return look

    async def _what_is_left(self) -> Round:
        services = self._services
        left = await services.ledger.read(
            count_claimable, self._batch.batch, self._sending, services.settings.max_attempts
        )
        self._in_vain = self._in_vain + 1 if left and left == self._left else 0
        self._left = left
        stop = _DIED_AGAIN if self._in_vain >= _IN_VAIN else None
        return Round(stop=stop, is_anything_left=left > 0)
