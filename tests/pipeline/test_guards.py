"""No customer gets the same group from two batches, and a recording that was cut off is finished."""

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from batch_issuer.acceptance import Accepted, IssueOptions, accept, accept_again
from batch_issuer.assembly import Services
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.cli.sandbox import checker_settings
from batch_issuer.dry_run import leave_to_other_batches, try_out
from batch_issuer.errors import AlreadyIssued, Interrupted, LedgerUnavailable, UsageError
from batch_issuer.gateway import read_access, sending_access
from batch_issuer.ledger import Batch, BatchStage
from batch_issuer.ledger.batches import list_batches
from batch_issuer.ledger.held_rows import load_held_rows
from batch_issuer.ledger.request_rows import iterate_request_rows
from batch_issuer.pipeline import decide, refresh, retry, show
from batch_issuer.planning import MaxInvalid
from batch_issuer.reports import Summary
from batch_issuer.reports.row_files import RECONCILIATION_COLUMNS
from batch_issuer.retrying import plan_retry
from batch_issuer.sandbox import Scenario
from tests.pipeline.world import (
    BADGES,
    World,
    customers,
    open_world,
    outcomes,
    read_csv,
    reconciliation,
    summary_json,
)

FIRST, SECOND = "first.csv", "second.csv"


async def issue_twice(world: World, *, wait: float = 0, **options: Any) -> tuple[Summary, Summary]:
    """Issue four customers, then a file that names two of them and two others."""
    first = await world.issue(world.write(customers(4), FIRST), wait=wait)
    second = world.write(customers(4, first=700_000_003), SECOND)
    return first, await world.issue(second, **options)


def sent_customers(world: World) -> Counter[int]:
    return Counter(customer for record in world.sandbox.requests for customer in record.customers)


def held_lines(summary: Summary) -> list[dict[str, str]]:
    return [line for line in reconciliation(summary) if line["outcome"] == "already_issued"]


HOLDS = {
    "pending": Scenario(),
    "issued": Scenario(decide_after_seconds=1),
    "unaccounted": Scenario(decide_after_seconds=1, omit_share=1),
}
RELEASES = {
    "rejected": Scenario(decide_after_seconds=1, reject_share=1),
    "issue_failed": Scenario(decide_after_seconds=1, holder_share=1),
}


@pytest.mark.parametrize("state", HOLDS)
async def test_what_another_batch_holds_is_not_sent_again(tmp_path: Path, state: str) -> None:
    async with open_world(tmp_path, HOLDS[state]) as world:
        first, second = await issue_twice(world, wait=60)
        sent = sent_customers(world)
    assert outcomes(first) == {state: 4}
    assert outcomes(second)["already_issued"] == 2
    assert sent[700_000_005] == 1
    assert max(sent.values()) == 1
    assert second.exit_code is ExitCode.DONE
    assert second.is_balanced


@pytest.mark.parametrize("state", RELEASES)
async def test_what_another_batch_has_not_issued_for_certain_is_sent(tmp_path: Path, state: str) -> None:
    async with open_world(tmp_path, RELEASES[state]) as world:
        first, second = await issue_twice(world, wait=60)
    assert outcomes(first) == {state: 4}
    assert outcomes(second) == {"pending": 4}


async def test_what_the_server_refused_of_another_batch_is_sent(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        world.sandbox.will_answer(400)
        world.sandbox.will_answer(400)
        first, second = await issue_twice(world)
    assert outcomes(first) == {"failed": 4}
    assert outcomes(second) == {"pending": 4}


LEFT_BY_A_KILL = {
    "sending": ("stage = 'sending'", "already_issued"),
    "in doubt": ("stage = 'in_doubt'", "already_issued"),
    "failed, perhaps after it ran": ("outcome = 'failed', is_final = 1", "already_issued"),
    "failed for good": ("outcome = 'failed', is_final = 1, is_definite = 1", "pending"),
}


@pytest.mark.parametrize("state", LEFT_BY_A_KILL)
async def test_what_the_ledger_says_of_the_other_request_decides(tmp_path: Path, state: str) -> None:
    changed, expected = LEFT_BY_A_KILL[state]
    async with open_world(tmp_path) as world:
        await world.issue(world.write(customers(4), FIRST))
        await world.run(lambda services: execute(services, f"update requests set {changed}"))  # noqa: S608 - of the table above
        second = await world.issue(world.write(customers(4, first=700_000_003), SECOND))
    assert [line["outcome"] for line in reconciliation(second)] == [expected] * 2 + ["pending"] * 2


FAIL_EVERYTHING = (
    "update workflow_requests set outcome = 'failed', is_final = 1, is_definite = 1",
    "update requests set outcome = 'failed', is_final = 1, is_definite = 1",
)


async def execute(services: Services, statement: str) -> None:
    """Change the ledger behind everybody's back."""
    await services.ledger.write(lambda c: c.exec_driver_sql(statement).close())


async def test_a_held_row_whose_request_is_retried_shows_the_request_that_carries_it_now(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path, chunk_size=4) as world:
        first = await world.issue(world.write(customers(4), FIRST))
        second = await world.issue(world.write(customers(3), SECOND))
        for statement in FAIL_EVERYTHING:
            await world.run(lambda services, s=statement: execute(services, s))  # type: ignore[misc]  # bound here
        before = await world.refresh(second.batch.batch)
        old = held_lines(before)[0]
        await world.run(lambda services: retry(services, first.batch.batch))
        after = await world.refresh(second.batch.batch)
        new = held_lines(after)[0]
    assert f"batch-issuer retry {first.batch.batch}" in old["error_message"]
    assert (before.exit_code, after.exit_code) == (ExitCode.ROWS_NEED_A_LOOK, ExitCode.DONE)
    assert new["request_id"] not in {"", old["request_id"]}
    assert new["state"] == "AdminTask"


async def test_a_held_row_carries_the_other_rows_request_and_names_its_batch(tmp_path: Path) -> None:
    async with open_world(tmp_path, HOLDS["issued"]) as world:
        first, second = await issue_twice(world, wait=60)
    shown = {*RECONCILIATION_COLUMNS} - {"row", "outcome", "issued_id", "error_code", "error_message"}
    for line, other in zip(held_lines(second), reconciliation(first)[2:], strict=True):
        assert {name: line[name] for name in shown} == {name: other[name] for name in shown}
        assert line["error_message"] == f"issued or under way in batch {first.batch.batch}"
        assert (line["issued_id"], line["error_code"]) == ("", "")
    assert not (second.folder / "failed.csv").exists()
    assert summary_json(second)["counts"]["already_issued"] == 2
    assert "under way in another batch" in (second.folder / "report.html").read_text()


async def test_what_became_of_the_other_row_is_read_again_whenever_the_file_is_written(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as world:
        first, second = await issue_twice(world)
        assert {line["state"] for line in held_lines(second)} == {"AdminTask"}
        world.sandbox.decide_all("rejected")
        await world.refresh(first.batch.batch)
        again = await world.refresh(second.batch.batch)
        shown = await world.run(lambda services: show(services, second.batch.batch))
    for line in held_lines(again):
        assert line["state"] == "rejected"
        assert "rejected there" in line["error_message"]
    assert again.exit_code is shown.exit_code is ExitCode.ROWS_NEED_A_LOOK
    assert (again.in_vain, shown.in_vain) == (2, 2)
    assert shown.counts == again.counts
    assert len(read_csv(again.folder / "failed.csv")) == 2  # the rows of its own request


async def test_a_row_whose_other_row_was_never_sent_counts_and_names_the_way_on(tmp_path: Path) -> None:
    async with open_world(tmp_path, base_url="http://127.0.0.1:9") as world:
        first = await world.issue(world.write(customers(4), FIRST))
        world.stopping.clear()
        second = await world.issue(world.write(customers(4) + "\n", SECOND))
    assert outcomes(first) == {"not_sent": 4}
    assert outcomes(second) == {"already_issued": 4}
    assert second.exit_code is ExitCode.ROWS_NEED_A_LOOK
    assert f"batch-issuer resume {first.batch.batch}" in held_lines(second)[0]["error_message"]


async def test_a_plan_counts_what_other_batches_hold(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        file = world.write(customers(4, first=700_000_003), SECOND)
        tried = try_out(file, world.settings(), IssueOptions())
        alone = await leave_to_other_batches(tried, world.settings())
        assert not world.output.exists()
        await world.issue(world.write(customers(4), FIRST))
        beside = await leave_to_other_batches(tried, world.settings())
    assert (alone.plan.customers, len(alone.plan.held)) == (4, 0)
    assert (beside.plan.customers, beside.plan.held.rows.tolist()) == (2, [2, 3])


async def test_a_file_whose_every_row_is_held_is_accepted_and_sends_nothing(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.issue(world.write(customers(4), FIRST))
        posts = world.sandbox.posts
        second = await world.issue(world.write(customers(3), SECOND), wait=60)
        assert world.sandbox.posts == posts
    assert outcomes(second) == {"already_issued": 3}
    assert (second.exit_code, second.requests, second.next_command) == (ExitCode.DONE, 0, "")
    assert second.batch.stage is BatchStage.ACCEPTED


async def test_a_duplicate_of_a_held_row_stays_a_duplicate_of_that_row(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        first = await world.issue(world.write(customers(1), FIRST))
        twice = customers(1) + f"700000001,{BADGES[0]}\n"
        second = await world.issue(world.write(twice, SECOND))
    held, duplicate = reconciliation(second)
    assert (held["outcome"], duplicate["outcome"]) == ("already_issued", "duplicate")
    assert duplicate["error_message"].startswith("repeats row 2, which is issued or under way")
    assert duplicate["request_id"] == held["request_id"] != ""
    assert first.batch.batch in duplicate["error_message"]


async def test_again_issues_what_another_batch_holds_once_more(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        _, second = await issue_twice(world, again=True)
        assert sent_customers(world)[700_000_003] == 2
    assert outcomes(second) == {"pending": 4}


async def test_another_group_of_the_same_customer_is_sent(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.issue(world.write(customers(2), FIRST))
        other = customers(2).replace(BADGES[0], BADGES[1])
        assert outcomes(await world.issue(world.write(other, SECOND))) == {"pending": 2}


async def test_a_batch_of_another_organisation_holds_nothing(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        world.overrides["org_id"] = "1"
        await world.issue(world.write(customers(4), FIRST))  # not sent: the server refuses it
        world.overrides.pop("org_id")
        world.stopping.clear()
        assert outcomes(await world.issue(world.write(customers(3), SECOND))) == {"pending": 3}


async def test_a_refused_batch_neither_holds_nor_is_guarded(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        refused = await world.issue(world.write(customers(3) + "x,y\n", FIRST))
        accepted = await world.issue(world.write(customers(3), SECOND))
        again = await world.issue(world.write(customers(3) + "x,z\n", FIRST))
    assert outcomes(refused) == outcomes(again) == {"not_sent": 3, "invalid": 1}
    assert outcomes(accepted) == {"pending": 3}


async def accept_file(services: Services, file: Path, **options: Any) -> Accepted:
    access, _ = sending_access(services.settings)
    return await accept(services, file, IssueOptions(**options), access)


async def test_of_two_batches_accepted_at_once_each_customer_is_in_one(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        files = [world.write(customers(300, badges=3) + "\n" * n, f"{n}.csv") for n in range(3)]

        async def accept_one(file: Path) -> Batch:
            return (await world.run(lambda services: accept_file(services, file))).batch

        batches = await asyncio.gather(*(accept_one(file) for file in files))
        planned = Counter[tuple[int, str]]()
        for batch in batches:
            planned.update(await planned_customers(world, batch))
    assert len(planned) == 300
    assert set(planned.values()) == {1}
    assert sum(batch.already_issued for batch in batches) == 600


async def test_a_file_that_is_overtaken_again_and_again_is_recorded_alone_at_last(tmp_path: Path) -> None:
    overtake = (
        "CREATE TRIGGER overtake AFTER INSERT ON requests "
        "WHEN (SELECT count(*) FROM leases WHERE name LIKE 'guards %' AND owner > '') = 0 BEGIN "
        "INSERT INTO batches "
        "(batch, base_url, org_id, stage, input_name, input_sha256, settings, created_at) "
        "SELECT hex(randomblob(8)), base_url, org_id, 'accepted', 'o', 'o', '{}', '' "
        "FROM batches WHERE batch = NEW.batch; END"
    )
    async with open_world(tmp_path) as world:
        await world.issue(world.write(customers(1), FIRST))
        await world.run(lambda services: execute(services, overtake))
        file = world.write(customers(3), SECOND)
        accepted = await world.run(lambda services: accept_file(services, file))
        batches = await world.run(lambda services: services.ledger.read(list_batches))
        planned = await planned_customers(world, accepted.batch)
    assert [known.input_name for known in batches].count("o") == 5
    assert (accepted.batch.stage, accepted.batch.already_issued) == (BatchStage.ACCEPTED, 1)
    assert [customer for customer, _ in planned] == [700_000_002, 700_000_003]


async def test_a_retry_of_many_requests_is_planned_in_blocks_and_leaves_none_out(tmp_path: Path) -> None:
    async with open_world(tmp_path, chunk_size=1) as world:
        batch = (await world.issue(world.write(customers(250)))).batch
        again = world.write(customers(3, first=700_000_101), SECOND)

        async def plan(services: Services) -> tuple[int, int]:
            await execute(services, "delete from workflow_requests")
            await execute(services, "update requests set stage = 'refused', workflow_request_id = ''")
            await accept_file(services, again)  # it holds three of the customers by now
            async with services.lease(batch.batch) as lease:
                return await plan_retry(services, lease, batch)

        assert await world.run(plan) == (247, 3)
        planned = await planned_customers(world, batch)
    assert len({customer for customer, _ in planned}) == len(planned) == 250


async def test_a_file_waits_while_another_process_accepts_a_batch_alone(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        first = await world.issue(world.write(customers(1), FIRST))
        file = world.write(customers(3), SECOND)

        async def accept_beside(services: Services) -> Batch:
            name = f"guards {first.batch.base_url} {first.batch.org_id}"
            async with services.lease(name):
                accepting = asyncio.create_task(world.run(lambda other: accept_file(other, file)))
                world.time.somebody_slept.clear()
                await world.time.somebody_slept.wait()  # nobody does here but who waits
                assert not accepting.done()
            return (await accepting).batch

        assert (await world.run(accept_beside)).already_issued == 1


async def test_a_stop_ends_the_wait_for_a_batch_that_is_accepted_alone(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        first = await world.issue(world.write(customers(1), FIRST))
        file = world.write(customers(3), SECOND)

        async def accept_beside(services: Services) -> None:
            async with services.lease(f"guards {first.batch.base_url} {first.batch.org_id}"):
                accepting = asyncio.create_task(world.run(lambda other: accept_file(other, file)))
                world.time.somebody_slept.clear()
                await world.time.somebody_slept.wait()  # nobody does here but who waits
                world.stopping.set()
                with pytest.raises(Interrupted, match="nothing was sent"):
                    await accepting

        await world.run(accept_beside)
        batches = await world.run(lambda services: services.ledger.read(list_batches))
    assert [known.input_name for known in batches] == [FIRST]


async def planned_customers(world: World, batch: Batch) -> list[tuple[int, str]]:
    async def read(services: Services) -> list[tuple[int, str]]:
        found = await services.ledger.read(lambda c: list(iterate_request_rows(c, batch.batch)))
        return [(n, r.record.group.badge_meta_id) for r in found for n in r.customers.tolist()]

    return await world.run(read)


class Killed(BaseException):
    """Ends a run where a kill would."""


class KillAfter:
    """Ends the run while the file is checked, once so many frames were."""

    def __init__(self, frames: int) -> None:
        self._left = frames

    def rows_checked(self, count: int) -> None:  # noqa: ARG002 - part of what progress is
        self._left -= 1
        if not self._left:
            raise Killed

    def requests_planned(self, count: int) -> None: ...

    def request_at_rest(self) -> None: ...


async def finish(world: World, batch: Batch) -> Accepted:
    """Finish a batch whose recording was cut off."""
    return await world.run(lambda services: accept_again(services, batch, read_access(services.settings)))


async def cut_off_while_planning(world: World, file: Path, **options: Any) -> Batch:
    """Accept a file up to the acceptance itself: then the ledger refuses, as where its process ends."""
    trigger = (
        "CREATE TRIGGER cut BEFORE UPDATE ON batches WHEN NEW.stage = 'accepted' "
        "BEGIN SELECT RAISE(ABORT, 'cut off'); END"
    )

    async def work(services: Services) -> Batch:
        await execute(services, trigger)
        with pytest.raises(LedgerUnavailable, match="cut off"):
            await accept_file(services, file, **options)
        await execute(services, "DROP TRIGGER cut")
        return (await services.ledger.read(list_batches))[0]

    return await world.run(work)


async def cut_off_while_checking(world: World, file: Path, **options: Any) -> Batch:
    world.progress = KillAfter(1)
    with pytest.raises(Killed):
        await world.run(lambda services: accept_file(services, file, **options))
    world.progress = None

    async def latest(services: Services) -> Batch:
        return (await services.ledger.read(list_batches))[0]

    return await world.run(latest)


async def everything_recorded(world: World, batch: Batch) -> list[object]:
    async def read(services: Services) -> list[object]:
        held = await services.ledger.read(load_held_rows, batch.batch)
        tables = ("problems", "duplicates", "requests")
        counts = [
            await services.ledger.read(
                lambda c, t=table: c.exec_driver_sql(  # type: ignore[misc]  # a default binds the loop's value
                    f"select count(*) from {t} where batch = ?",  # noqa: S608 - a name from the line above
                    (batch.batch,),
                ).scalar_one()
            )
            for table in tables
        ]
        return [held.rows.tolist(), counts, sorted(await planned_customers(world, batch))]

    return await world.run(read)


CUTS: dict[str, Callable[..., Awaitable[Batch]]] = {
    "while it was checked": cut_off_while_checking,
    "before it was accepted": cut_off_while_planning,
}
MAX = MaxInvalid.parse("50%")
MIXED = customers(7, badges=2) + f"700000001,{BADGES[0]}\nx,{BADGES[0]}\n"


@pytest.mark.parametrize("cut", CUTS)
async def test_a_recording_that_was_cut_off_is_finished_as_it_would_have_been(
    tmp_path: Path, cut: str
) -> None:
    async with open_world(tmp_path) as world:
        await world.issue(world.write(customers(1), FIRST))
        await world.time.sleep(1)
        file = world.write(MIXED, SECOND)
        batch = await CUTS[cut](world, file, on_invalid="skip", max_invalid=MAX, name="n")
        assert batch.stage is BatchStage.RECORDING
        assert (world.output / batch.batch / "input.csv").is_file()
        file.unlink()
        finished = await world.run(
            lambda services: accept_again(services, batch, read_access(services.settings))
        )
        recorded = await everything_recorded(world, batch)
    assert finished.batch.stage is BatchStage.ACCEPTED
    assert finished.refusal == ""
    assert (finished.batch.rows, finished.batch.invalid, finished.batch.duplicates) == (9, 1, 1)
    assert finished.batch.already_issued == 1
    assert finished.batch.name == "n"
    held, counts, planned = recorded
    assert (held, counts) == ([2], [1, 1, 2])
    assert len(planned) == 6  # type: ignore[arg-type]  # a list of pairs


FOLLOWING_UP: dict[str, Callable[[Services, str], Awaitable[Summary]]] = {
    "refresh": refresh,
    "retry": retry,
    "decide": lambda services, batch: decide(services, batch, approve=True, message="fine"),
}


@pytest.mark.parametrize("command", FOLLOWING_UP)
async def test_nothing_follows_up_a_batch_that_is_still_being_recorded(tmp_path: Path, command: str) -> None:
    async with open_world(tmp_path) as world:
        world.overrides |= checker_settings(world.sandbox)
        batch = await cut_off_while_planning(world, world.write(customers(30), FIRST))
        with pytest.raises(UsageError, match=f"still being recorded.*`batch-issuer resume {batch.batch}`"):
            await world.run(lambda services: FOLLOWING_UP[command](services, batch.batch))
        finished = await world.resume(batch.batch)
    assert outcomes(finished) == {"pending": 30}


async def test_a_recording_is_finished_with_its_own_again(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.issue(world.write(customers(2), FIRST))
        await world.time.sleep(1)
        batch = await cut_off_while_planning(world, world.write(customers(2) + "\n", SECOND), again=True)
        finished = await world.run(
            lambda services: accept_again(services, batch, read_access(services.settings))
        )
    assert (finished.batch.already_issued, finished.batch.stage) == (0, BatchStage.ACCEPTED)


async def test_a_recording_whose_content_was_accepted_meanwhile_is_forgotten(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        file = world.write(customers(2))
        batch = await cut_off_while_planning(world, file)
        await world.issue(file)
        with pytest.raises(AlreadyIssued):
            await finish(world, batch)
        left = await world.run(lambda services: services.ledger.read(list_batches))
        assert [known.stage for known in left] == [BatchStage.ACCEPTED]
        assert not (world.output / batch.batch).exists()


async def test_a_recording_whose_copy_was_changed_is_left_as_it_is(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        batch = await cut_off_while_planning(world, world.write(customers(2)))
        (world.output / batch.batch / "input.csv").write_text(customers(3))
        with pytest.raises(UsageError, match="not the input"):
            await finish(world, batch)


async def test_copies_that_a_killed_process_left_behind_are_removed_after_a_day(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        now = world.time.seconds()
        for name, age in ((".incoming-old", 90_000), (".incoming-new", 3_600)):
            folder = world.output / name
            folder.mkdir(parents=True)
            (folder / "input.csv").write_text("half a f")
            os.utime(folder, (now - age, now - age))
        await world.issue(world.write(customers(1)))
        assert sorted(path.name for path in world.output.glob(".incoming-*")) == [".incoming-new"]
