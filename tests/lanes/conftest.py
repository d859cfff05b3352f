"""A world whose batches are sent in lanes, side by side on one event loop, and engines of every temper."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from batch_issuer.engine import Engine, ThisProcess, Work
from batch_issuer.sandbox import Sandbox, Scenario
from tests.pipeline.world import MovedTime, World

T = TypeVar("T")
R = TypeVar("R")
OpenLanes = Callable[..., AbstractAsyncContextManager["LanesWorld"]]


class TickingTime(MovedTime):
    """A clock that stands still until somebody sleeps, and whose ticks come a hundred times as fast."""

    def __init__(self) -> None:
        super().__init__()
        self.ticks_move_it = False

    async def tick(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 100)
        if self.ticks_move_it:
            await super().sleep(seconds)

    async def sleep(self, seconds: float) -> None:
        """Leave those who are at work a hundredth of the time for it."""
        await super().sleep(seconds)
        await asyncio.sleep(min(seconds, 5.0) / 100)


class WatchedSandbox(Sandbox):
    """Counts what is under way, and lets a test do something when a POST arrives."""

    def __init__(self, **choices: Any) -> None:
        super().__init__(**choices)
        self.most = 0
        self.arrived = 0
        self.at_post: Callable[[int], Awaitable[None]] | None = None
        self._under_way = 0

    def _app(self) -> web.Application:
        app = super()._app()
        app.middlewares.insert(0, self._watch)
        return app

    @web.middleware
    async def _watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method != "POST":
            return await handler(request)
        self.arrived += 1
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        try:
            if self.at_post is not None:
                await self.at_post(self.arrived)
            return await handler(request)
        finally:
            self._under_way -= 1


class Lanes(ThisProcess):
    """Does pieces of work here, of which so many can be done at a time."""

    def __init__(self, width: int = 3) -> None:
        self._width = width
        self.pieces = 0

    @property
    def width(self) -> int:
        return self._width

    async def run(self, work: Work[T, R], item: T, *, waits: bool = False) -> R:
        """Check and plan a file as it comes, and drive lanes in a way of its own."""
        if not waits:
            return await super().run(work, item)
        self.pieces += 1
        return await self.drive(work, item)

    async def drive(self, work: Work[T, R], item: T) -> R:
        return await work(item)


class Twice(Lanes):
    """Does each piece twice, at the same time."""

    async def drive(self, work: Work[T, R], item: T) -> R:
        first, _ = await asyncio.gather(super().drive(work, item), super().drive(work, item))
        return first


class Forgetful(Lanes):
    """Loses what came of each piece, and does it again."""

    async def drive(self, work: Work[T, R], item: T) -> R:
        await super().drive(work, item)
        return await super().drive(work, item)


class Detached(Lanes):
    """Lets pieces that are given up go on, as workers that nobody can reach do."""

    def __init__(self, width: int = 3) -> None:
        super().__init__(width)
        self.going_on: set[asyncio.Task[Any]] = set()

    async def drive(self, work: Work[T, R], item: T) -> R:
        piece = asyncio.ensure_future(super().drive(work, item))
        self.going_on.add(piece)
        return await asyncio.shield(piece)


class Idle(Lanes):
    """Has nobody who does anything."""

    async def drive(self, work: Work[T, R], item: T) -> R:
        await asyncio.Event().wait()
        return await super().drive(work, item)


@dataclass(slots=True, kw_only=True)
class LanesWorld(World):
    sandbox: WatchedSandbox
    time: TickingTime
    engine: Engine | None = field(default_factory=Lanes)

    def sent(self) -> Counter[int]:
        """Count how often the server took each customer."""
        return Counter(customer for record in self.sandbox.requests for customer in record.customers)


@asynccontextmanager
async def open_lanes_world(
    folder: Path, scenario: Scenario | None = None, **overrides: Any
) -> AsyncIterator[LanesWorld]:
    time = TickingTime()
    async with WatchedSandbox(scenario=scenario, clock=time.seconds, sleep=time.sleep) as sandbox:
        yield LanesWorld(
            sandbox=sandbox, output=folder / "output", folder=folder, time=time, overrides=overrides
        )


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def open_lanes(request: pytest.FixtureRequest, tmp_path: Path) -> OpenLanes:
    """Open a world in which batches are sent in lanes, on each of the databases."""
    ledger: dict[str, Any] = {}
    if request.param == "postgresql":
        ledger = {"ledger": request.getfixturevalue("postgres_databases").new_database()}

    def opening(
        scenario: Scenario | None = None, **overrides: Any
    ) -> AbstractAsyncContextManager[LanesWorld]:
        return open_lanes_world(tmp_path, scenario, **ledger, **overrides)

    return opening
