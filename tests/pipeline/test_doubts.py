"""What was sent and not answered: looked up, taken over, or sent again under the same id."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.pipeline import retry
from batch_issuer.sandbox import Scenario
from tests.pipeline.world import BADGES, World, customers, open_world, outcomes, read_csv, reconciliation


def request_ids(world: World) -> list[str]:
    return [record.request_id for record in world.sandbox.requests]


async def test_a_request_whose_answer_was_lost_is_found_and_taken_over(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        world.sandbox.will_drop_the_connection(after_accepting=True)
        begun = world.time.instant
        summary = await world.issue(world.write(customers(6)))
        assert world.sandbox.posts == 2
        assert world.time.instant - begun >= timedelta(seconds=35)
    assert outcomes(summary) == {"pending": 6}
    assert summary.exit_code is ExitCode.DONE
    assert all(line["attempts"] == "1" for line in reconciliation(summary))


async def test_a_request_that_the_server_never_got_is_sent_again_under_the_same_id(tmp_path: Path) -> None:
    async with open_world(tmp_path, Scenario(decide_after_seconds=0)) as world:
        world.sandbox.will_drop_the_connection(after_accepting=False)
        summary = await world.issue(world.write(customers(3)))
        assert world.sandbox.posts == 2
        assert len(world.sandbox.requests) == 1
    assert outcomes(summary) == {"issued": 3}
    assert {line["attempts"] for line in reconciliation(summary)} == {"2"}


async def test_an_attempt_that_is_lost_each_time_is_given_up_and_proven_not_sent(tmp_path: Path) -> None:
    async with open_world(tmp_path, max_attempts=3) as world:
        for _ in range(3):
            world.sandbox.will_drop_the_connection(after_accepting=False)
        summary = await world.issue(world.write(customers(3)))
        assert world.sandbox.posts == 3
        assert outcomes(summary) == {"not_sent": 3}
        assert summary.exit_code is ExitCode.NOT_FINISHED
        assert outcomes(await world.resume()) == {"pending": 3}


async def test_nothing_is_sent_again_while_the_list_can_not_be_read(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        world.sandbox.will_drop_the_connection(after_accepting=False)
        for _ in range(4):
            world.sandbox.will_answer_reads(503)
        summary = await world.issue(world.write(customers(3)))
        assert world.sandbox.posts == 1
        assert outcomes(summary) == {"in_doubt": 3}
        assert summary.exit_code is ExitCode.NOT_FINISHED
        assert summary.next_command == f"batch-issuer resume {summary.batch.batch}"
        assert outcomes(await world.resume()) == {"pending": 3}
        assert world.sandbox.posts == 2


async def test_after_a_lost_answer_a_refusal_does_not_settle_the_request(tmp_path: Path) -> None:
    async with open_world(tmp_path, max_attempts=2) as world:
        world.sandbox.will_drop_the_connection(after_accepting=False)
        world.sandbox.will_answer(400)
        summary = await world.issue(world.write(customers(3)))
    assert outcomes(summary) == {"not_sent": 3}  # looked up twice, and not there: never "failed"


async def test_a_process_that_died_while_sending_leaves_a_request_in_doubt(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        summary = await world.issue(world.write(customers(3)))
        assert outcomes(summary) == {"pending": 3}
        await world.run(lambda s: s.ledger.write(_as_if_killed))
        resumed = await world.resume()
        assert len(world.sandbox.requests) == 1
    assert outcomes(resumed) == {"pending": 3}


def _as_if_killed(connection: Connection) -> None:
    connection.exec_driver_sql("delete from workflow_requests")
    connection.exec_driver_sql(
        "update requests set stage = 'sending', workflow_request_id = '', state = '', outcome = ''"
    )


async def test_a_request_that_is_too_large_is_sent_in_halves(tmp_path: Path) -> None:
    async with open_world(tmp_path, Scenario(decide_after_seconds=0), chunk_size=5) as world:
        world.sandbox.will_answer(413)
        world.sandbox.will_answer(413)
        summary = await world.issue(world.write(customers(5)))
        sent = sorted(len(record.customers) for record in world.sandbox.requests)
    assert sent == [1, 2, 2]
    assert outcomes(summary) == {"issued": 5}
    requests = read_csv(summary.folder / "requests.csv")
    assert sorted(line["state"] for line in requests) == ["approved"] * 3 + ["split"] * 2
    assert summary.is_balanced


async def test_one_customer_can_not_be_halved(tmp_path: Path) -> None:
    async with open_world(tmp_path, chunk_size=1) as world:
        world.sandbox.will_answer(413)
        summary = await world.issue(world.write(customers(1)))
    assert outcomes(summary) == {"failed": 1}


async def test_what_was_refused_for_good_is_retried_under_a_new_id(tmp_path: Path) -> None:
    async with open_world(tmp_path, Scenario(decide_after_seconds=0), concurrency=1) as world:
        world.sandbox.will_answer(400)
        first = await world.issue(world.write(customers(6)))
        assert outcomes(first) == {"failed": 3, "issued": 3}
        assert first.next_command == f"batch-issuer retry {first.batch.batch}"
        again = await world.run(lambda services: retry(services, first.batch.batch))
        assert len(set(request_ids(world))) == 2
    assert outcomes(again) == {"issued": 6}
    states = sorted(line["state"] for line in read_csv(again.folder / "requests.csv"))
    assert states == ["approved", "approved", "retried"]


async def test_what_failed_without_a_definite_refusal_is_not_retried(tmp_path: Path) -> None:
    async with open_world(tmp_path, Scenario(decide_after_seconds=1, reject_share=1)) as world:
        first = await world.issue(world.write(customers(3)), wait=60)
        posts = world.sandbox.posts
        again = await world.run(lambda services: retry(services, first.batch.batch))
        assert world.sandbox.posts == posts
    assert outcomes(again) == {"rejected": 3}
    assert "nothing to retry" in again.message


async def test_retry_takes_over_what_the_server_has_after_all(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        world.sandbox.will_answer(400, accept_first=True)  # a lying proxy
        first = await world.issue(world.write(customers(3)))
        assert outcomes(first) == {"failed": 3}
        again = await world.run(lambda services: retry(services, first.batch.batch))
        assert world.sandbox.posts == 1
    assert outcomes(again) == {"pending": 3}


async def test_retry_waits_until_a_refused_request_would_show_in_the_list(tmp_path: Path) -> None:
    async with open_world(tmp_path, Scenario(list_lag_seconds=20)) as world:
        world.sandbox.will_answer(400, accept_first=True)
        first = await world.issue(world.write(customers(3)))
        again = await world.run(lambda services: retry(services, first.batch.batch))
        assert world.sandbox.posts == 1
    assert outcomes(again) == {"pending": 3}


async def test_retry_plans_nothing_while_entries_slip_through_the_list(tmp_path: Path) -> None:
    async with open_world(tmp_path, Scenario(list_shift="miss"), chunk_size=1, concurrency=1) as world:
        for _ in range(3):
            world.sandbox.will_answer(400)
        first = await world.issue(world.write(customers(230)))
        again = await world.run(lambda services: retry(services, first.batch.batch))
        sent = [customer for record in world.sandbox.requests for customer in record.customers]
    assert len(sent) == len(set(sent))
    assert outcomes(again) in ({"failed": 3, "pending": 227}, {"pending": 230})


async def test_of_two_twins_the_one_that_ran_counts(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        world.sandbox.will_drop_the_connection(after_accepting=True)
        await world.issue(world.write(customers(3)))
        world.overrides["max_attempts"] = 1
        (record,) = world.sandbox.requests
        await world.run(lambda s: s.ledger.write(_as_if_killed))
        await world.run(lambda s: s.ledger.write(_as_if_not_created))
        await world.resume()
        first, second = world.sandbox.requests
        assert first.request_id == second.request_id == record.request_id
        world.sandbox.decide(second.workflow_request_id, "approved")
        world.sandbox.decide(first.workflow_request_id, "approved")
        refreshed = await world.refresh()
    assert outcomes(refreshed) == {"issued": 3}
    assert {ln["workflow_request_id"] for ln in reconciliation(refreshed)} == {second.workflow_request_id}


def _as_if_not_created(connection: Connection) -> None:
    connection.exec_driver_sql("update requests set stage = 'not_sent', doubts = 1")


async def test_resume_without_a_batch_takes_the_latest_that_did_not_finish(tmp_path: Path) -> None:
    async with open_world(tmp_path, max_attempts=1) as world:
        for _ in range(4):
            world.sandbox.will_answer(429, retry_after=1)
        unfinished = await world.issue(world.write(customers(3)))
        assert outcomes(unfinished) == {"not_sent": 3}
        world.overrides["max_attempts"] = 5
        await world.issue(world.write(customers(3, first=5), "later.csv"))
        resumed = await world.resume()
    assert resumed.batch.batch == unfinished.batch.batch
    assert outcomes(resumed) == {"pending": 3}


@pytest.mark.parametrize("badges", [1, 4])
async def test_each_customer_is_sent_once_whatever_is_lost(tmp_path: Path, badges: int) -> None:
    async with open_world(tmp_path, Scenario(decide_after_seconds=0), chunk_size=2) as world:
        for turn in range(9):  # one more in a row would stop the batch
            world.sandbox.will_drop_the_connection(after_accepting=turn % 3 == 0)
        summary = await world.issue(world.write(customers(40, badges=badges)))
        while summary.exit_code is ExitCode.NOT_FINISHED:
            summary = await world.resume()
        sent = [(r.badge_meta_id, c) for r in world.sandbox.requests for c in r.customers]
    assert len(sent) == len(set(sent)) == 40
    assert outcomes(summary) == {"issued": 40}
    assert BADGES[0] in {badge for badge, _ in sent}
