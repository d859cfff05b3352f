"""Lanes, and whoever conducts them, die and sleep at the worst moments: nothing is lost, or sent twice."""

import asyncio
import logging
import pickle
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import create_engine

from batch_issuer.assembly import Services
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.engine import ThisProcess, Work
from batch_issuer.errors import EngineUnavailable, LedgerUnavailable, SettingsError
from batch_issuer.ledger.batches import list_batches
from batch_issuer.sandbox import Scenario
from batch_issuer.settings import PREFIX
from tests.lanes.conftest import Detached, Lanes, LanesWorld, OpenLanes, R, T
from tests.pipeline.world import customers, outcomes


class Heard(logging.Handler):
    """Sets an event when something is told to the log, and remembers all of it."""

    def __init__(self, awaited: str) -> None:
        super().__init__()
        self.told: list[str] = []
        self.event = asyncio.Event()
        self._awaited = awaited

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(record.getMessage())
        if record.getMessage() == self._awaited:
            self.event.set()


@pytest.fixture
async def heard() -> AsyncIterator[Heard]:
    handler, log = Heard("lane buried"), logging.getLogger("batch_issuer")
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)


@pytest.mark.parametrize("moment", [1, 4, 17])
async def test_a_lane_that_sleeps_past_its_lease_loses_nothing_and_sends_nothing_twice(
    open_lanes: OpenLanes, moment: int, heard: Heard
) -> None:
    async with open_lanes(concurrency=4) as world:
        quick = world.time.tick

        async def tick(seconds: float) -> None:
            """Let nobody renew a lease in the background."""
            await (asyncio.Event().wait() if seconds > 5 else quick(seconds))

        async def sleep_long(number: int) -> None:
            if number == moment:  # every lane, and all that they have under way, at once
                world.time.instant += timedelta(hours=1)
            if number >= moment:
                await heard.event.wait()

        world.time.tick = tick  # type: ignore[method-assign]
        world.sandbox.at_post = sleep_long
        summary = await world.issue(world.write(customers(120)))
        assert heard.event.is_set()
        assert set(world.sent().values()) == {1}
    assert outcomes(summary) == {"pending": 120}


class Killing(Lanes):
    """Kills whoever does a piece of work at some moment, and lets another do it."""

    def __init__(self, width: int = 3) -> None:
        super().__init__(width)
        self.at_work: list[asyncio.Task[object]] = []

    def kill(self, number: int) -> None:
        self.at_work[number % len(self.at_work)].cancel()

    async def run(self, work: Work[T, R], item: T) -> R:
        while True:
            doing = asyncio.ensure_future(super().run(work, item))
            self.at_work.append(doing)
            try:
                await asyncio.wait({doing})
            except asyncio.CancelledError:
                doing.cancel()
                await asyncio.wait({doing})
                raise
            if not doing.cancelled():
                return doing.result()


@pytest.mark.parametrize("seed", range(4))
async def test_workers_that_end_on_the_way_are_replaced(open_lanes: OpenLanes, seed: int) -> None:
    async with open_lanes(Scenario(list_lag_seconds=4), concurrency=6) as world:
        world.engine = engine = Killing(3)

        async def kill_some(number: int) -> None:
            await asyncio.sleep(0.002)
            if number % 11 == seed:
                engine.kill(number)
                await asyncio.sleep(0)

        world.sandbox.at_post = kill_some
        summary = await world.issue(world.write(customers(180)))
        while summary.exit_code is ExitCode.NOT_FINISHED:
            summary = await world.resume()
        assert set(world.sent().values()) == {1}
    assert outcomes(summary) == {"pending": 180}


async def _lose_the_client(world: LanesWorld, after: int) -> None:
    """Let the client die when some requests have arrived, and its lanes live on."""
    arrived = asyncio.Event()

    async def tell(number: int) -> None:
        if number == after:
            arrived.set()
        await asyncio.sleep(0.005)

    world.sandbox.at_post = tell
    issuing = asyncio.create_task(world.issue(world.write(customers(240))))
    await arrived.wait()
    issuing.cancel()
    with suppress(asyncio.CancelledError):
        await issuing


@pytest.mark.parametrize("engine", [None, Lanes(2)], ids=["in this process", "in lanes"])
async def test_another_client_waits_for_the_lanes_of_one_that_died_and_goes_on(
    open_lanes: OpenLanes, engine: Lanes | None
) -> None:
    async with open_lanes(concurrency=4) as world:
        world.engine = lost = Detached()
        await _lose_the_client(world, after=9)
        world.engine = engine
        summary = await world.resume()
        assert set(world.sent().values()) == {1}
        assert outcomes(summary) == {"pending": 240}
        assert world.sandbox.most <= 4
        ends = await asyncio.gather(*lost.going_on)
        assert [end.stop for end in ends] == [None] * 3


async def test_a_client_that_is_slow_to_end_finds_its_batch_taken_over(open_lanes: OpenLanes) -> None:
    async with open_lanes(concurrency=4) as world:
        world.engine = lost = Detached()
        await _lose_the_client(world, after=9)
        refreshed = await world.refresh()  # may look on at any time
        assert set(outcomes(refreshed)) <= {"pending", "not_sent", "in_doubt"}
        world.engine = None
        assert outcomes(await world.resume()) == {"pending": 240}
        await asyncio.gather(*lost.going_on)
        left = await world.run(_lanes_left)
    assert left == []


async def _lanes_left(services: Services) -> list[str]:
    query = "select name from leases where substr(name, 1, 4) = 'lane'"
    return await services.ledger.read(lambda c: list(c.exec_driver_sql(query).scalars()))


class Broken(Lanes):
    """Loses touch with whoever does the work."""

    async def run(self, work: Work[T, R], item: T) -> R:
        working = asyncio.ensure_future(super().run(work, item))
        await asyncio.sleep(0.1)
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        raise EngineUnavailable("the scheduler is gone")


async def test_an_engine_that_is_lost_ends_the_command_and_resume_goes_on(open_lanes: OpenLanes) -> None:
    async with open_lanes(concurrency=2) as world:

        async def take_some_time(_: int) -> None:
            await asyncio.sleep(0.02)

        world.sandbox.at_post = take_some_time
        world.engine = Broken()
        first = await world.issue(world.write(customers(300)))
        assert first.exit_code is ExitCode.NOT_FINISHED
        assert "the scheduler is gone" in first.message
        world.engine = ThisProcess()
        assert outcomes(await world.resume()) == {"pending": 300}
        assert set(world.sent().values()) == {1}


async def test_a_ledger_that_fails_for_a_while_stops_the_command_and_resume_goes_on(
    open_lanes: OpenLanes,
) -> None:
    async with open_lanes(concurrency=4) as world:
        url = world.settings().ledger_url.replace("postgresql:", "postgresql+psycopg:")

        def rename(old: str, new: str) -> None:
            engine = create_engine(url)
            with engine.begin() as connection:
                connection.exec_driver_sql(f"alter table {old} rename to {new}")
            engine.dispose()

        async def fail(number: int) -> None:
            await asyncio.sleep(0.005)
            if number == 12:
                await asyncio.to_thread(rename, "requests", "elsewhere")
                world.time.ticks_move_it = True

        world.sandbox.at_post = fail
        with pytest.raises(LedgerUnavailable, match=r"`batch-issuer resume \S+` goes on"):
            await world.issue(world.write(customers(300)))
        rename("elsewhere", "requests")
        assert outcomes(await world.resume()) == {"pending": 300}
        assert set(world.sent().values()) == {1}


class Elsewhere(Lanes):
    """Does its work as another process would: with what travels, and the secrets that are there."""

    async def run(self, work: Work[T, R], item: T) -> R:
        travelled: T = pickle.loads(pickle.dumps(item))  # noqa: S301 - our own
        return await super().run(work, travelled)


async def test_a_worker_without_credentials_says_that_it_is_the_worker_that_lacks_them(
    open_lanes: OpenLanes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_lanes() as world:
        world.engine = Elsewhere()
        ledger = world.settings().ledger_url
        if ledger.startswith("postgresql"):
            monkeypatch.setenv(f"{PREFIX}LEDGER", ledger)
        with pytest.raises(SettingsError, match=r"a worker, process \d+ on .*, can't send: .*PASSWORD"):
            await world.issue(world.write(customers(9)))
        batches = await world.run(lambda services: services.ledger.read(list_batches))
        assert world.sandbox.arrived == 0
        world.engine = None
        assert outcomes(await world.resume(batches[0].batch)) == {"pending": 9}
