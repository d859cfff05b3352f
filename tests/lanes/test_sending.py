"""A batch that is sent in lanes ends as one that is sent by one process, whatever goes wrong on the way."""

import asyncio
import logging
from pathlib import Path

import pytest

from batch_issuer.acceptance import IssueOptions
from batch_issuer.assembly import Services
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.engine import ThisProcess
from batch_issuer.gateway import Operation
from batch_issuer.metrics import Measurements
from batch_issuer.pipeline import issue, retry
from batch_issuer.sandbox import Scenario
from tests.lanes.conftest import Forgetful, Idle, Lanes, OpenLanes, Twice, open_lanes_world
from tests.pipeline.world import customers, outcomes


async def test_each_customer_is_sent_once_and_no_more_at_a_time_than_allowed(open_lanes: OpenLanes) -> None:
    async with open_lanes(concurrency=5) as world:

        async def take_some_time(_: int) -> None:
            await asyncio.sleep(0.01)

        world.sandbox.at_post = take_some_time
        summary = await world.issue(world.write(customers(150)))
        assert set(world.sent().values()) == {1}
    assert outcomes(summary) == {"pending": 150}
    assert summary.exit_code is ExitCode.DONE
    assert 1 < world.sandbox.most <= 5


async def test_the_exchanges_of_all_lanes_are_in_the_metrics(open_lanes: OpenLanes) -> None:
    async with open_lanes(concurrency=4, rate=6_000) as world:
        file = world.write(customers(30))

        async def work(services: Services) -> Measurements:
            await issue(services, file, IssueOptions(check_badges=False))
            return services.measurements

        measured = await world.run(work)
    assert measured.responses[Operation.SUBMIT, 200] == len(world.sandbox.requests) == 10
    assert measured.pace is not None


async def test_there_are_no_more_lanes_than_requests_may_be_under_way(open_lanes: OpenLanes) -> None:
    async with open_lanes(concurrency=2) as world:
        world.engine = engine = Lanes(8)
        summary = await world.issue(world.write(customers(30)))
    assert outcomes(summary) == {"pending": 30}
    assert engine.pieces == 2
    assert world.sandbox.most <= 2


async def test_lanes_keep_one_pace(tmp_path: Path) -> None:
    async with open_lanes_world(tmp_path, Scenario(rate_limit=60), rate=60) as world:
        began = world.time.seconds()
        summary = await world.issue(world.write(customers(60)))
        assert world.time.seconds() - began > 19
        assert world.sandbox.truth()["posts"]["received"] == 20
    assert outcomes(summary) == {"pending": 60}


async def test_what_was_lost_on_its_way_is_looked_up_taken_over_or_sent_again(open_lanes: OpenLanes) -> None:
    async with open_lanes() as world:
        world.sandbox.will_drop_the_connection(after_accepting=True)
        world.sandbox.will_drop_the_connection(after_accepting=False)
        summary = await world.issue(world.write(customers(60)))
        assert set(world.sent().values()) == {1}
    assert outcomes(summary) == {"pending": 60}


async def test_a_request_that_is_too_large_is_halved_by_the_lane_that_sent_it(open_lanes: OpenLanes) -> None:
    async with open_lanes(Scenario(max_customers=2), chunk_size=8) as world:
        summary = await world.issue(world.write(customers(80)))
        assert set(world.sent().values()) == {1}
    assert outcomes(summary) == {"pending": 80}


async def test_what_was_refused_is_retried_in_lanes(open_lanes: OpenLanes) -> None:
    async with open_lanes() as world:
        world.sandbox.will_answer(400)
        world.sandbox.will_answer(400)
        first = await world.issue(world.write(customers(30)))
        assert outcomes(first) == {"failed": 6, "pending": 24}
        again = await world.run(lambda services: retry(services, first.batch.batch))
        assert set(world.sent().values()) == {1}
    assert outcomes(again) == {"pending": 30}


async def test_a_refused_permission_on_one_lane_stops_all(open_lanes: OpenLanes) -> None:
    async with open_lanes(concurrency=3) as world:
        world.sandbox.will_answer(403)

        async def take_turns(number: int) -> None:
            if number > 1:
                await asyncio.sleep(0.2)  # much longer than a lane takes to hear of the end

        world.sandbox.at_post = take_turns
        summary = await world.issue(world.write(customers(300)))
    assert summary.exit_code is ExitCode.NO_PERMISSION
    assert "permission" in summary.message
    assert world.sandbox.arrived < 12
    assert outcomes(summary)["not_sent"] > 250


async def test_a_server_that_is_down_stops_the_batch(open_lanes: OpenLanes) -> None:
    async with open_lanes() as world:
        for _ in range(200):
            world.sandbox.will_answer(503)
        summary = await world.issue(world.write(customers(600)))
        assert summary.exit_code is ExitCode.NOT_FINISHED
        assert "10 times in a row" in summary.message
        assert world.sandbox.arrived < 60
        world.sandbox._script._queues.clear()
        again = await world.resume()
        assert set(world.sent().values()) == {1}
    assert outcomes(again) == {"pending": 600}


async def test_attempts_are_counted_once_over_all_lanes(open_lanes: OpenLanes) -> None:
    async with open_lanes(max_attempts=3) as world:
        for _ in range(100):
            world.sandbox.will_answer(429, retry_after=1)
        summary = await world.issue(world.write(customers(12)))
        assert world.sandbox.arrived == 4 * 3
        assert summary.exit_code is ExitCode.NOT_FINISHED
        assert outcomes(summary) == {"not_sent": 12}


@pytest.mark.parametrize("engine", [Twice, Forgetful])
async def test_an_engine_that_does_pieces_twice_sends_nothing_twice(
    open_lanes: OpenLanes, engine: type[Lanes]
) -> None:
    async with open_lanes(concurrency=4) as world:

        async def take_some_time(_: int) -> None:
            await asyncio.sleep(0.01)

        world.sandbox.at_post = take_some_time
        world.engine = engine(3)
        summary = await world.issue(world.write(customers(90)))
        assert set(world.sent().values()) == {1}
    assert outcomes(summary) == {"pending": 90}
    assert world.sandbox.most <= 4


async def test_a_stop_finishes_what_is_under_way_and_resume_the_rest(open_lanes: OpenLanes) -> None:
    async with open_lanes(concurrency=4) as world:

        async def stop_after_some(number: int) -> None:
            await asyncio.sleep(0.005)
            if number == 9:
                world.stopping.set()

        world.sandbox.at_post = stop_after_some
        first = await world.issue(world.write(customers(300)))
        assert first.exit_code is ExitCode.NOT_FINISHED
        assert set(outcomes(first)) == {"pending", "not_sent"}
        world.stopping.clear()
        again = await world.resume()
        assert set(world.sent().values()) == {1}
    assert outcomes(again) == {"pending": 300}


async def test_whoever_waits_for_a_worker_in_vain_is_told_so(open_lanes: OpenLanes) -> None:
    async with open_lanes() as world:
        world.engine = Idle()
        world.time.ticks_move_it = True
        first = await world.issue(world.write(customers(9)))
        assert first.exit_code is ExitCode.NOT_FINISHED
        assert "no worker began to send" in first.message
        assert outcomes(first) == {"not_sent": 9}
        world.engine = ThisProcess()
        assert outcomes(await world.resume()) == {"pending": 9}


async def test_each_lane_tells_the_log_when_it_was_taken_and_when_it_ended(
    open_lanes: OpenLanes, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("batch_issuer"), "propagate", True)
    caplog.set_level(logging.INFO, logger="batch_issuer")
    async with open_lanes(concurrency=2) as world:
        await world.issue(world.write(customers(30)))
    heard = {id(record): record for record in caplog.records}  # once each, whatever other tests have left
    told = [record for record in heard.values() if record.message in {"lane taken", "lane ended"}]
    assert {(record.message, vars(record)["lane"]) for record in told} >= {
        ("lane taken", 0),
        ("lane ended", 0),
    }
    assert sum(vars(record)["count"] for record in told if record.message == "lane ended") == 10
