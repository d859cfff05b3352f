"""The figures of the ledger, after real runs against the sandbox, with a clock that is moved by hand."""

import json
import stat
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from batch_issuer.acceptance import IssueOptions
from batch_issuer.assembly import Services, open_api, open_services
from batch_issuer.gateway import read_access
from batch_issuer.ledger.batches import update_batch
from batch_issuer.metrics import Measurements, RunEnd
from batch_issuer.metrics.run_file import leave_metrics
from batch_issuer.pipeline import issue, refresh
from batch_issuer.sandbox import Scenario
from batch_issuer.sending import read_open
from tests.metrics.reading import Metrics, read_metrics, some
from tests.pipeline.world import START, World, customers, open_world, outcomes

FILE = "batch_issuer.prom"


async def leave(world: World, work: Callable[[Services], Awaitable[object]] | None = None) -> Metrics:
    """Do some work as a command does, and read the metrics that it leaves."""
    clock, measured, settings = world.time.clock(), Measurements(), world.settings()
    if work is not None:
        async with open_services(
            settings, clock=clock, stopping=world.stopping, measurements=measured
        ) as services:
            await work(services)
    path = world.folder / FILE
    ends = {"issue": RunEnd(at=clock.now().timestamp(), code=0, seconds=1.5)}
    await leave_metrics(path, settings, measured, clock, ends)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    return read_metrics(path.read_text())


def issuing(file: Path) -> Callable[[Services], Awaitable[object]]:
    return lambda services: issue(services, file, IssueOptions(check_badges=False))


async def test_what_waits_for_a_checker_grows_older_until_it_is_decided(tmp_path: Path) -> None:
    async with open_world(tmp_path, Scenario(decide_after_seconds=9_000)) as world:
        await leave(world, issuing(world.write(customers(7))))
        world.time.instant += timedelta(hours=2)
        waiting = await leave(world)
        world.time.instant += timedelta(hours=2)
        decided = await leave(world, lambda services: refresh(services, None))
    assert waiting["batch_issuer_oldest_pending_approval_seconds"][()] == 7_200
    assert waiting["batch_issuer_oldest_pending_approval_timestamp_seconds"][()] == START.timestamp()
    assert some(waiting["batch_issuer_rows"]) == {"pending": 7}
    assert some(waiting["batch_issuer_requests"]) == {"AdminTask": 3}
    assert decided["batch_issuer_oldest_pending_approval_seconds"][()] == 0
    assert "batch_issuer_oldest_pending_approval_timestamp_seconds" not in decided
    assert some(decided["batch_issuer_rows"]) == {"issued": 7}
    assert some(decided["batch_issuer_requests"]) == {"approved": 3}


async def test_rows_of_old_batches_are_left_out_but_their_requests_are_not(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await leave(world, issuing(world.write(customers(4))))
        world.time.instant += timedelta(days=31)
        left = await leave(world, issuing(world.write(customers(3, first=800_000_001))))
    assert sum(left["batch_issuer_rows"].values()) == 3
    assert sum(left["batch_issuer_requests"].values()) == 3


async def test_a_success_is_dated_and_what_did_not_finish_is_counted(tmp_path: Path) -> None:
    async with open_world(tmp_path, max_attempts=1) as world:
        first = await leave(world, issuing(world.write(customers(2))))
        world.time.instant += timedelta(hours=1)
        world.sandbox.will_answer(429)
        second = await leave(world, issuing(world.write(customers(2, first=800_000_001))))
    for left in (first, second):
        assert left["batch_issuer_last_success_timestamp_seconds"][()] == START.timestamp()
    assert first["batch_issuer_unfinished_batches"][()] == 0
    assert second["batch_issuer_unfinished_batches"][()] == 1
    assert some(second["batch_issuer_rows"]) == {"pending": 2, "not_sent": 2}
    assert some(second["batch_issuer_requests_by_status"]) == {"200": 1, "429": 1}
    assert second["batch_issuer_attempts_total"][()] == 2


async def test_a_refused_file_adds_no_rows(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        left = await leave(world, issuing(world.write(customers(2) + "x,y\n")))
    assert some(left["batch_issuer_rows"]) == {}
    assert some(left["batch_issuer_requests"]) == {}
    assert left["batch_issuer_unfinished_batches"][()] == 0
    assert "batch_issuer_last_success_timestamp_seconds" not in left


async def test_another_organisations_batches_are_left_out(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await leave(world, issuing(world.write(customers(2))))
        world.overrides["org_id"] = "999"
        left = await leave(world)
    assert sum(left["batch_issuer_rows"].values()) == 0
    assert left["batch_issuer_attempts_total"][()] == 0


async def test_counters_go_on_from_run_to_run(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        first = await leave(world, issuing(world.write(customers(4))))
        second = await leave(world, issuing(world.write(customers(4, first=800_000_001))))
    count = "batch_issuer_request_duration_seconds_count"
    assert first["batch_issuer_responses_total"] == {("200", "submit"): 2}
    assert second["batch_issuer_responses_total"] == {("200", "submit"): 4}
    assert (first[count]["submit",], second[count]["submit",]) == (2, 4)
    assert second["batch_issuer_request_duration_seconds_bucket"]["+Inf", "submit"] == 4


async def test_without_a_ledger_the_run_alone_is_told(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        left = await leave(world)
    assert not world.output.exists()
    assert "batch_issuer_rows" not in left
    assert left["batch_issuer_last_run_duration_seconds"] == {("issue",): 1.5}


async def test_a_state_that_we_do_not_know_is_no_label(tmp_path: Path) -> None:
    told = {"data": {"requestId": "w-1", "state": "Parked by 700000001", "details": {}}}
    async with open_world(tmp_path) as world:
        world.sandbox.will_answer(200, body=json.dumps(told).encode())
        left = await leave(world, issuing(world.write(customers(1))))
    assert some(left["batch_issuer_requests"]) == {"other": 1}
    assert some(left["batch_issuer_rows"]) == {"pending": 1}


async def test_rows_are_counted_anew_where_something_has_changed_since_the_files_were_written(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path, Scenario(decide_after_seconds=60)) as world:
        summary = await world.issue(world.write(customers(4)))
        world.time.instant += timedelta(hours=1)

        async def read_without_reporting(services: Services) -> None:
            async with open_api(services, read_access(services.settings)) as api:
                await read_open(api, summary.batch)

        left = await leave(world, read_without_reporting)
    assert outcomes(summary) == {"pending": 4}
    assert some(left["batch_issuer_rows"]) == {"issued": 4}


async def test_what_was_counted_when_the_files_were_written_is_taken_as_it_stands(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        summary = await world.issue(world.write(customers(4)))
        counted = {"counts": {"issued": 5}}
        await world.run(lambda services: services.ledger.write(update_batch, summary.batch.batch, counted))
        left = await leave(world)
    assert some(left["batch_issuer_rows"]) == {"issued": 5}
