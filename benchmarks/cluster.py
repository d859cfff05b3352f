"""What a cluster takes: a file checked, planned, recorded and sent with one worker and with two.

All of it runs on this machine, so its cores are shared by the client, the workers and the database. Beside
the time on the wall stands for how long each of them worked: what the model of large runs is made of.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from batch_issuer.acceptance import Accepted, IssueOptions, accept
from batch_issuer.assembly import Services, open_api, open_services
from batch_issuer.clock import Clock
from batch_issuer.cluster import open_engine
from batch_issuer.engine import Engine
from batch_issuer.gateway import sending_access
from batch_issuer.reporting import report
from batch_issuer.sending import submit
from batch_issuer.settings import Settings
from batch_issuer.site import Site
from benchmarks.cluster_processes import (
    CountingServer,
    Statement,
    counting_server,
    peak_megabytes_of,
    running_cluster,
    worked,
    worked_with_children,
)
from benchmarks.data import write_customers
from benchmarks.figures import Figure
from benchmarks.intake import check_and_plan
from benchmarks.server import running_server
from benchmarks.stage import environment, run, settings_for

T = TypeVar("T")
R = TypeVar("R")

_CONCURRENCY: Final = 64
_TENTH: Final = 10
_PATIENCE_SECONDS: Final = 60.0
_RATE: Final = 1_000_000
"""Calls a minute: more than there will be, so that each takes its turn and none waits for it."""
STAGES: Final = {
    "copy and cut": "",
    "check": "check_one_part",
    "plan": "plan_unit",
    "record": "record_requests",
    "send": "drive_lane",
    "report": "",
}
"""The stages of an issue, and the work that workers do in each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The time on the wall, and for how long each has worked by then."""

    wall: float
    client: float
    workers: float
    database: float

    def since(self, earlier: "Look") -> "Look":
        """Return what passed in between."""
        return Look(
            wall=self.wall - earlier.wall,
            client=self.client - earlier.client,
            workers=self.workers - earlier.workers,
            database=self.database - earlier.database,
        )


@dataclass(slots=True, kw_only=True)
class Measured:
    """One issue of a file by a cluster."""

    rows: int
    workers: int
    stages: dict[str, Look] = field(default_factory=dict)
    statements: dict[str, list[Statement]] = field(default_factory=dict)
    """What the database did while the file was accepted, sent and reported."""
    peak: float = 0.0
    """The most memory that a worker has taken, in MB."""


@dataclass(frozen=True, slots=True)
class Eyes:
    """Looks at the client, which this is, at the workers and at the database."""

    workers: list[int]
    database: int

    def look(self) -> Look:
        """Look at all of them."""
        return Look(
            wall=time.perf_counter(),
            client=time.process_time(),
            workers=sum(map(worked, self.workers)),
            database=worked_with_children(self.database),
        )


class Watched:
    """An engine that is looked at when each kind of work begins, and when its last piece ends."""

    def __init__(self, engine: Engine, eyes: Eyes) -> None:
        """Pass all work on."""
        self._engine = engine
        self._eyes = eyes
        self.begun: dict[str, Look] = {}
        self.ended: dict[str, Look] = {}

    @property
    def width(self) -> int:
        """That of the engine."""
        return self._engine.width

    async def run(self, work: Callable[[T], Awaitable[R]], item: T, *, waits: bool = False) -> R:
        """Have it done."""
        name = work.__name__
        if name not in self.begun:
            self.begun[name] = self._eyes.look()
        try:
            return await self._engine.run(work, item, waits=waits)
        finally:
            self.ended[name] = self._eyes.look()


def measure(rows: int, folder: Path) -> Iterator[Figure]:
    """Measure recording a file, and sending a tenth of it, with one worker and with two."""
    large, small = folder / "large.csv", folder / "small.csv"
    write_customers(large, rows)
    write_customers(small, rows // _TENTH)
    began = time.perf_counter()
    check_and_plan(large)
    alone = time.perf_counter() - began
    recorded = [measure_issue(large, rows, workers, folder, sends=False) for workers in (1, 2)]
    sent = [measure_issue(small, rows // _TENTH, workers, folder) for workers in (1, 2)]
    for measured, many in zip(recorded, ("one worker", "two workers"), strict=True):
        yield Figure(
            name=f"check {rows:,} rows with {many}",
            ours=[measured.stages["check"].wall],
            against="read, validate and plan them in one process",
            other=[alone],
        )
    for stage in STAGES:
        one, two = sent if stage == "send" else recorded
        yield Figure(
            name=f"{stage} {one.rows:,} rows with two workers",
            ours=[two.stages[stage].wall],
            against="with one",
            other=[one.stages[stage].wall],
        )


def measure_issue(file: Path, rows: int, workers: int, folder: Path, *, sends: bool = True) -> Measured:
    """Issue a file by a cluster of some workers, with a ledger of its own; or record and report it."""
    here = folder / f"{file.stem}-{workers}"
    here.mkdir()
    with counting_server() as server, running_server() as url:
        ledger = server.new_database()
        settings = settings_for(
            url, here / "output", rate=_RATE, concurrency=_CONCURRENCY, ledger=ledger, max_file_bytes=2**40
        )
        environ = {**environment(settings), "BATCH_ISSUER_LEDGER": ledger}
        with running_cluster(here, workers=workers, environ=environ) as (address, processes):
            settings = settings.model_copy(update={"engine": f"dask://{address}"})
            return run(_issue(settings, file, rows, Eyes(processes, server.pid), server, sends=sends))


async def _issue(  # noqa: PLR0913 - what is measured, and by what
    settings: Settings, file: Path, rows: int, eyes: Eyes, server: CountingServer, *, sends: bool
) -> Measured:
    measured = Measured(rows=rows, workers=len(eyes.workers))
    async with _open(settings, eyes) as (services, watched):
        accepted = await _accept(measured, services, watched, file, server, eyes)
        if sends:
            await _send(measured, services, accepted, server)
        await _report(measured, services, accepted, server, eyes)
    for stage, work in STAGES.items():
        if work in watched.ended:
            measured.stages[stage] = watched.ended[work].since(watched.begun[work])
    measured.peak = max(map(peak_megabytes_of, eyes.workers))
    return measured


@asynccontextmanager
async def _open(settings: Settings, eyes: Eyes) -> AsyncIterator[tuple[Services, Watched]]:
    async with open_engine(Site(settings)) as engine:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while engine.workers < len(eyes.workers):  # noqa: ASYNC110 - Dask tells nobody of it
                await asyncio.sleep(0.1)
        # what workers load at their first piece is loaded
        await engine.everywhere(_load, None)
        watched = Watched(engine, eyes)
        async with open_services(
            settings, clock=Clock(), stopping=asyncio.Event(), engine=watched
        ) as services:
            yield services, watched


async def _load(_: None) -> None:
    """Load what checking needs."""
    from batch_issuer.intake.checking import Checker  # noqa: F401, PLC0415 - loading it is all


async def _accept(  # noqa: PLR0913, PLR0917 - what is measured, and by what
    measured: Measured,
    services: Services,
    watched: Watched,
    file: Path,
    server: CountingServer,
    eyes: Eyes,
) -> Accepted:
    access, _ = sending_access(services.settings)
    ledger = services.settings.ledger_url
    await asyncio.to_thread(server.count_anew, ledger)
    began = eyes.look()
    accepted = await accept(services, file, IssueOptions(check_badges=False), access)
    measured.stages["copy and cut"] = watched.begun["check_one_part"].since(began)
    measured.statements["accept"] = await asyncio.to_thread(server.statements, ledger)
    return accepted


async def _send(measured: Measured, services: Services, accepted: Accepted, server: CountingServer) -> None:
    access, inner = sending_access(services.settings)
    ledger, batch = services.settings.ledger_url, accepted.batch
    await asyncio.to_thread(server.count_anew, ledger)
    async with open_api(services, access) as api, services.lease(batch.batch) as lease:
        stop = await submit(api, batch, inner, lease)
    if stop is not None:
        raise RuntimeError(f"the batch stopped: {stop.message}")
    measured.statements["send"] = await asyncio.to_thread(server.statements, ledger)


async def _report(
    measured: Measured, services: Services, accepted: Accepted, server: CountingServer, eyes: Eyes
) -> None:
    ledger = services.settings.ledger_url
    await asyncio.to_thread(server.count_anew, ledger)
    began = eyes.look()
    await report(services, accepted)
    measured.stages["report"] = eyes.look().since(began)
    measured.statements["report"] = await asyncio.to_thread(server.statements, ledger)
