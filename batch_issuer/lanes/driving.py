"""Drives one lane, wherever an engine does it: claims requests of a batch, and sends them."""

import asyncio
import logging
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Final

from batch_issuer.assembly import Api, open_api, open_services
from batch_issuer.batch.stages import Stage
from batch_issuer.errors import BatchInUse, BatchTakenOver, LedgerUnavailable, NotFinished, SettingsError
from batch_issuer.gateway import Access, InnerCall, sending_access
from batch_issuer.lanes.claiming import Claims
from batch_issuer.lanes.job import LaneEnd, LaneJob
from batch_issuer.lanes.lane_lease import LaneLease
from batch_issuer.ledger.claims import Claiming
from batch_issuer.ledger.lanes import LaneWork, is_run_on, stop_run
from batch_issuer.processes import this_process
from batch_issuer.settings import Settings
from batch_issuer.submission import Submitter, hold
from batch_issuer.tasks import see_through, until_first

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
"""So often a lane asks whether its run goes on."""


async def drive_lane(job: LaneJob) -> LaneEnd:
    """Send requests of a batch for as long as there are any and the run of lanes goes on.

    It may be called twice for one lane, at the same time too: the second waits for the lane. A process that
    slept past the lane's lease begins anew, as if it had just been started.
    Raises SettingsError where this place lacks what sending takes, UsageError and LedgerUnavailable.
    """
    settings, access, inner = _access_here(job)
    async with open_services(
        settings, clock=job.site.clock, stopping=asyncio.Event(), site=job.site
    ) as services:
        if services.ledger.timeline != job.timeline:
            raise LedgerUnavailable("the ledger was restored, or another server took over")
        async with open_api(services, access) as api:
            while (end := await _drive_once(job, api, inner)) is None:
                log.warning("lane lost", extra={"batch": job.batch, "lane": job.lane})
        return replace(end, measurements=services.measurements)


def _access_here(job: LaneJob) -> tuple[Settings, Access, InnerCall]:
    try:
        settings = job.site.settings()
        return settings, *sending_access(settings)
    except SettingsError as exc:
        here = this_process()
        problems = [
            f"a worker, process {here.pid} on {here.host}, can't send: {problem}" for problem in exc.problems
        ]
        raise SettingsError(problems, names=exc.names) from exc


async def _drive_once(job: LaneJob, api: Api, inner: InnerCall) -> LaneEnd | None:
    """Take the lane and drive it to an end; None where it was lost on the way."""
    services = api.services
    lease = LaneLease(services, LaneWork(batch=job.batch, run=job.run), job.lane)
    while True:
        try:
            async with hold(lease, services.clock):
                return await _Lane(job, api, inner, lease).drive()
        except BatchInUse:  # this piece of work is done elsewhere, too
            await services.clock.tick(LOOK_SECONDS)
        except BatchTakenOver:  # the run: there is nothing left to take a lane of
            return LaneEnd()


class _Lane:
    """A lane that is held."""

    def __init__(self, job: LaneJob, api: Api, inner: InnerCall, lease: LaneLease) -> None:
        self._job = job
        self._services = api.services
        self._lease = lease
        self._stopping = asyncio.Event()
        self._at_rest = 0
        self._owed = 0
        claiming = Claiming(
            batch=job.batch,
            lane=lease.key,
            run=job.run,
            sending=job.sending,
            max_attempts=api.services.settings.max_attempts,
        )
        self._claims = Claims(api.services.ledger, claiming, concurrency=job.concurrency)
        route = api.route(inner, lease, batch=job.batch, org_id=job.org_id)
        route = replace(route, concurrency=job.concurrency)
        self._submitter = Submitter(route, stopping=self._stopping, on_rest=self._rest)

    def _rest(self, stage: Stage) -> None:
        """Count what comes to rest; halves are owed instead of what they were made of."""
        self._at_rest += stage is not Stage.SPLIT
        self._owed += {Stage.SPLIT: 1, Stage.NOT_SENT: 0}.get(stage, -1)

    async def drive(self) -> LaneEnd | None:
        """Send what can be claimed; None where the lane was lost."""
        fields = {"batch": self._job.batch, "lane": self._job.lane}
        log.info("lane taken", extra=fields)
        watching = asyncio.create_task(self._watch(), name="watch the run of lanes")
        try:
            async with aclosing(self._claims.requests()) as claimed:
                stop = await self._submitter.submit_all(claimed)
        finally:
            self._stopping.set()
            await see_through(watching)
        if stop is not None and await self._is_lost():
            return None
        self._lease.leaves_nothing = self._claims.is_exhausted and not self._claims.count + self._owed
        log.info("lane ended", extra={**fields, "count": self._at_rest})
        return LaneEnd(stop=stop)

    async def _watch(self) -> None:
        """Stop the lane where its run is over, and the run where the lane has a reason to stop."""
        while not self._stopping.is_set():
            await until_first(self._services.clock.tick(LOOK_SECONDS), self._stopping.wait())
            if not (self._stopping.is_set() or await self._is_run_on()):
                self._stopping.set()
                return
        if self._submitter.stop is not None:
            with suppress(NotFinished):  # the lane is lost, or the ledger: whoever began the run hears of it
                await self._services.ledger.write(stop_run, self._job.run, lane=self._lease.key)

    async def _is_run_on(self) -> bool:
        ledger = self._services.ledger
        try:
            return await ledger.read(is_run_on, self._job.run, ledger.now)
        except LedgerUnavailable:  # sending itself finds out whether that lasts
            return True

    async def _is_lost(self) -> bool:
        try:
            await self._lease.renew()
        except BatchTakenOver:
            return True
        except LedgerUnavailable:
            pass
        return False
