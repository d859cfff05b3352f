"""What a cluster takes: checking with one and two workers, each stage, and what the database has to bear.

All of it runs on this machine, so its cores are shared by the client, the workers and the database: the time
of a core that each kind of work takes is what counts, and the model makes of it what a real cluster would do.
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
from benchmarks.cluster_processes import CountingServer, Statement, counting_server, running_cluster
from benchmarks.data import write_customers
from benchmarks.figures import Figure
from benchmarks.intake import check_and_plan
from benchmarks.server import running_server
from benchmarks.stage import environment, run, settings_for

T = TypeVar("T")
R = TypeVar("R")

_CONCURRENCY: Final = 64


class Watched:
    """An engine that notes when each kind of work began and ended."""

    def __init__(self, engine: Engine) -> None:
        """Pass all work on."""
        self._engine = engine
        self._spans: dict[str, tuple[float, float]] = {}

    @property
    def width(self) -> int:
        """That of the engine."""
        return self._engine.width

    async def run(self, work: Callable[[T], Awaitable[R]], item: T, *, waits: bool = False) -> R:
        """Have it done."""
        name, began = work.__name__, time.perf_counter()
        try:
            return await self._engine.run(work, item, waits=waits)
        finally:
            first, _ = self._spans.get(name, (began, began))
            self._spans[name] = (first, time.perf_counter())

    def seconds(self, name: str) -> float:
        """Return how long a kind of work took, from the first piece to the last."""
        first, last = self._spans.get(name, (0.0, 0.0))
        return last - first


@dataclass(slots=True, kw_only=True)
class Measured:
    """One issue of a file by a cluster."""

    rows: int
    requests: int
    workers: int
    seconds: dict[str, float] = field(default_factory=dict)
    """Of each stage, by the clock on the wall."""
    statements: dict[str, list[Statement]] = field(default_factory=dict)
    """What the database did in each stage."""


def measure(rows: int, folder: Path) -> Iterator[Figure]:
    """Measure checking beside one process, and a whole issue, with one worker and with two."""
    file = folder / "large.csv"
    write_customers(file, rows)
    began = time.perf_counter()
    check_and_plan(file)
    alone = time.perf_counter() - began
    one, two = (measure_issue(file, rows, workers, folder) for workers in (1, 2))
    for measured in (one, two):
        many = f"{measured.workers} worker{'s' if measured.workers > 1 else ''}"
        yield Figure(
            name=f"check {rows:,} rows with {many}",
            ours=[measured.seconds["check_one_part"]],
            against="read, validate and plan them in one process",
            other=[alone],
        )
    for stage in one.seconds:
        yield Figure(
            name=f"{stage}, 2 workers",
            ours=[two.seconds[stage]],
            against="1 worker",
            other=[one.seconds[stage]],
        )


def measure_issue(file: Path, rows: int, workers: int, folder: Path) -> Measured:
    """Issue a file by a cluster of some workers, with a ledger of its own."""
    here = folder / f"workers-{workers}"
    here.mkdir()
    with counting_server() as server, running_server() as url:
        ledger = server.new_database()
        settings = settings_for(
            url, here / "output", rate=0, concurrency=_CONCURRENCY, ledger=ledger, max_file_bytes=2**40
        )
        environ = {**environment(settings), "BATCH_ISSUER_LEDGER": ledger}
        with running_cluster(here, workers=workers, environ=environ) as address:
            settings = settings.model_copy(update={"engine": f"dask://{address}"})
            return run(_issue(settings, file, rows, workers, server))


async def _issue(settings: Settings, file: Path, rows: int, workers: int, server: CountingServer) -> Measured:
    measured = Measured(rows=rows, requests=-(-rows // settings.chunk_size), workers=workers)
    async with _open(settings, workers) as (services, watched):
        accepted = await _accept(measured, services, watched, file, server)
        await _send(measured, services, accepted, server)
    return measured


@asynccontextmanager
async def _open(settings: Settings, workers: int) -> AsyncIterator[tuple[Services, Watched]]:
    async with open_engine(Site(settings)) as engine:
        while engine.workers < workers:  # noqa: ASYNC110 - Dask tells nobody of it
            await asyncio.sleep(0.1)
        watched = Watched(engine)
        async with open_services(
            settings, clock=Clock(), stopping=asyncio.Event(), engine=watched, site=Site(settings)
        ) as services:
            yield services, watched


async def _accept(
    measured: Measured, services: Services, watched: Watched, file: Path, server: CountingServer
) -> Accepted:
    access, _ = sending_access(services.settings)
    ledger = services.settings.ledger_url
    await asyncio.to_thread(server.count_anew, ledger)
    began = time.perf_counter()
    accepted = await accept(services, file, IssueOptions(check_badges=False), access)
    measured.seconds["accept"] = time.perf_counter() - began
    for name in ("check_one_part", "plan_unit", "record_requests"):
        measured.seconds[name] = watched.seconds(name)
    measured.statements["accept"] = await asyncio.to_thread(server.statements, ledger)
    return accepted


async def _send(measured: Measured, services: Services, accepted: Accepted, server: CountingServer) -> None:
    access, inner = sending_access(services.settings)
    ledger, batch = services.settings.ledger_url, accepted.batch
    await asyncio.to_thread(server.count_anew, ledger)
    async with open_api(services, access) as api, services.lease(batch.batch) as lease:
        began = time.perf_counter()
        stop = await submit(api, batch, inner, lease)
        measured.seconds["send"] = time.perf_counter() - began
    if stop is not None:
        raise RuntimeError(f"the batch stopped: {stop.message}")
    measured.statements["send"] = await asyncio.to_thread(server.statements, ledger)
    await asyncio.to_thread(server.count_anew, ledger)
    began = time.perf_counter()
    await report(services, accepted)
    measured.seconds["report"] = time.perf_counter() - began
    measured.statements["report"] = await asyncio.to_thread(server.statements, ledger)
