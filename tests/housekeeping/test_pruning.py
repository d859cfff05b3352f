"""Pruning: what is over goes, and what guards against issuing twice stays."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from batch_issuer.acceptance import IssueOptions
from batch_issuer.assembly import Services
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.dry_run import leave_to_other_batches, try_out
from batch_issuer.errors import AlreadyIssued, LedgerUnavailable, PrunedBatch
from batch_issuer.housekeeping import Fate, Pruning, find_prunable, prune
from batch_issuer.ledger.batches import find_batch
from batch_issuer.pipeline import decide, refresh, resume, retry, show
from batch_issuer.reports import Summary
from batch_issuer.sandbox import Scenario
from tests.pipeline.world import OpenHere, World, customers, open_world, outcomes, reconciliation

DECIDED = Scenario(decide_after_seconds=1)
MIXED = Scenario(decide_after_seconds=1, holder_share=0.3, omit_share=0.2)
QUARTER = timedelta(days=90)


async def look(world: World, older_than: timedelta = QUARTER) -> Pruning:
    return await world.run(lambda services: find_prunable(services, older_than=older_than))


async def prune_old(world: World, older_than: timedelta = QUARTER) -> Pruning:
    async def work(services: Services) -> Pruning:
        return await prune(services, await find_prunable(services, older_than=older_than))

    return await world.run(work)


async def a_quarter_later(world: World) -> None:
    await world.time.sleep(91 * 86_400)


async def issue_and_age(world: World, count: int = 9, **options: Any) -> Summary:
    """Issue a file, follow it to the end, and let a quarter pass."""
    summary = await world.issue(world.write(customers(count), "old.csv"), wait=600, **options)
    await a_quarter_later(world)
    return summary


async def rows_of(world: World, table: str) -> int:
    def count(connection: Any) -> int:
        found: int = connection.exec_driver_sql(f"select count(*) from {table}").scalar_one()  # noqa: S608
        return found

    return await world.run(lambda services: services.ledger.read(count))


async def test_a_look_lists_what_would_go_and_removes_nothing(open_here: OpenHere) -> None:
    async with open_here(DECIDED) as world:
        old = await issue_and_age(world)
        before = sorted(path.name for path in old.folder.iterdir())
        (candidate,) = (await look(world)).candidates
        assert sorted(path.name for path in old.folder.iterdir()) == before
    assert (candidate.batch.batch, candidate.fate) == (old.batch.batch, Fate.TO_PRUNE)
    assert candidate.age.days == 91
    assert candidate.bytes == sum((old.folder / name).stat().st_size for name in before)


async def test_pruning_removes_every_file_of_a_batch_and_its_folder(open_here: OpenHere) -> None:
    async with open_here(MIXED) as world:
        world.sandbox.will_answer(400)
        file = world.write(customers(9) + "x,y\n", "old.csv")
        old = await world.issue(file, on_invalid="skip", wait=600)
        assert {"rejects.csv", "failed.csv"} <= {path.name for path in old.folder.iterdir()}
        await a_quarter_later(world)
        pruned = await prune_old(world)
        assert [candidate.fate for candidate in pruned.candidates] == [Fate.PRUNED]
        assert not old.folder.exists()
        assert [await rows_of(world, table) for table in ("attempts", "problems")] == [0, 0]
        assert (await look(world)).candidates == []
    assert pruned.exit_code is ExitCode.DONE


async def test_what_a_pruned_batch_issued_is_not_issued_by_a_later_file(open_here: OpenHere) -> None:
    async with open_here(MIXED) as world:
        old = await issue_and_age(world, 30)
        became = {line["customer_id"]: line["outcome"] for line in reconciliation(old)}
        assert set(became.values()) == {"issued", "issue_failed", "unaccounted"}
        await prune_old(world)
        later = await world.issue(world.write(customers(33), "later.csv"))
    lines = {line["customer_id"]: line for line in reconciliation(later)}
    held = {customer for customer, line in lines.items() if line["outcome"] == "already_issued"}
    assert held == {customer for customer, outcome in became.items() if outcome != "issue_failed"}
    assert all(old.batch.batch in lines[customer]["error_message"] for customer in held)


async def test_the_content_of_a_pruned_batch_is_still_refused(open_here: OpenHere) -> None:
    async with open_here(DECIDED) as world:
        old = await issue_and_age(world)
        await prune_old(world)
        with pytest.raises(AlreadyIssued, match=old.batch.batch):
            await world.issue(world.folder / "old.csv")


async def issue_beside(world: World) -> tuple[Summary, Summary]:
    """Issue a file, then one that names its customers and others, and follow the first to the end."""
    first = await world.issue(world.write(customers(30), "old.csv"))
    second = await world.issue(world.write(customers(33), "second.csv"))
    assert outcomes(second) == {"already_issued": 30, "pending": 3}
    await world.time.sleep(100)
    return await world.refresh(first.batch.batch), second


async def test_a_batch_whose_rows_a_pruned_one_holds_is_reported_as_before(open_here: OpenHere) -> None:
    async with open_here(replace(MIXED, decide_after_seconds=30)) as world:
        first, second = await issue_beside(world)
        await a_quarter_later(world)
        before = reconciliation(await world.refresh(second.batch.batch))
        pruned = await prune_old(world)
        assert [candidate.batch.batch for candidate in pruned.candidates] == [first.batch.batch]
        after = await world.refresh(second.batch.batch)
    assert reconciliation(after) == before
    assert after.in_vain > 0


async def test_what_failed_in_a_pruned_batch_is_to_be_issued_in_another_file(tmp_path: Path) -> None:
    async with open_world(tmp_path, Scenario(decide_after_seconds=30, fail_share=1)) as world:
        first, second = await issue_beside(world)
        assert outcomes(first) == {"failed": 30}
        definite = "update requests set is_definite = 1 where outcome = 'failed'"
        await world.run(lambda services: services.ledger.write(lambda c: c.exec_driver_sql(definite).close()))
        await a_quarter_later(world)
        before = reconciliation(await world.refresh(second.batch.batch))[0]["error_message"]
        await prune_old(world)
        after = reconciliation(await world.refresh(second.batch.batch))[0]["error_message"]
    assert f"batch-issuer retry {first.batch.batch}" in before
    assert after.endswith("issue it in a file of its own where it is still wanted")


STATES = {
    "issued": "state = state",
    "rejected": "outcome = 'rejected', state = 'rejected'",
    "failed, perhaps after it ran": "outcome = 'failed', is_definite = 0",
    "failed for good": "outcome = 'failed', is_definite = 1",
    "refused": "stage = 'refused', workflow_request_id = '', outcome = '', is_final = 0",
}


@pytest.mark.parametrize("state", STATES)
async def test_a_pruned_batch_holds_whom_it_held_before(tmp_path: Path, state: str) -> None:
    async with open_world(tmp_path, MIXED) as world:
        await issue_and_age(world, 30)
        change = f"update requests set {STATES[state]}"  # noqa: S608 - of the table above
        await world.run(lambda services: services.ledger.write(lambda c: c.exec_driver_sql(change).close()))
        later = world.write(customers(33), "later.csv")
        options = IssueOptions(check_badges=False)
        before = await leave_to_other_batches(try_out(later, world.settings(), options), world.settings())
        assert [candidate.fate for candidate in (await prune_old(world)).candidates] == [Fate.PRUNED]
        after = await leave_to_other_batches(try_out(later, world.settings(), options), world.settings())
    assert after.plan.held.rows.tolist() == before.plan.held.rows.tolist()
    assert after.plan.customers == before.plan.customers


async def test_a_pruned_batch_says_so_and_keeps_its_figures(open_here: OpenHere) -> None:
    async with open_here(MIXED) as world:
        old = await issue_and_age(world, 30)
        await prune_old(world)
        shown = await world.run(lambda services: show(services, old.batch.batch))
    assert (dict(shown.counts), shown.states, shown.requests) == (dict(old.counts), old.states, old.requests)
    assert (shown.exit_code, shown.is_balanced, shown.next_command) == (old.exit_code, True, "")
    assert shown.message.startswith("Pruned at 2026-")


COMMANDS: dict[str, Callable[[Services, str], Any]] = {
    "resume": resume,
    "retry": retry,
    "refresh": refresh,
    "decide": lambda services, batch: decide(services, batch, approve=True, message="seen"),
}


@pytest.mark.parametrize("command", COMMANDS)
async def test_nothing_more_is_done_with_a_pruned_batch(tmp_path: Path, command: str) -> None:
    async with open_world(tmp_path, DECIDED) as world:
        known = world.sandbox.credentials
        world.overrides |= {
            "checker_username": known.checker_username,
            "checker_password": known.checker_password,
            "checker_ui_auth_token": known.checker_ui_token,
        }
        old = await issue_and_age(world)
        await prune_old(world)
        with pytest.raises(PrunedBatch, match="was pruned at") as refused:
            await world.run(lambda services: COMMANDS[command](services, old.batch.batch))
    assert refused.value.exit_code is ExitCode.USAGE


async def test_a_refresh_of_the_latest_batch_passes_over_pruned_ones(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        first = await world.issue(world.write(customers(3), "first.csv"))
        await world.time.sleep(1)
        world.sandbox.will_answer(400)
        await world.issue(world.write(customers(3, first=800_000_001), "second.csv"))
        await a_quarter_later(world)
        assert [c.batch.input_name for c in (await prune_old(world)).candidates] == ["second.csv"]
        assert (await world.refresh()).batch.batch == first.batch.batch


async def test_batches_that_are_not_over_are_kept_however_old(open_here: OpenHere) -> None:
    async with open_here() as world:
        await world.issue(world.write(customers(3), "pending.csv"))
        world.sandbox.will_answer(401)
        await world.issue(world.write(customers(3, first=800_000_001), "unsent.csv"))
        await a_quarter_later(world)
        assert (await look(world)).candidates == []


async def test_young_batches_are_kept(tmp_path: Path) -> None:
    async with open_world(tmp_path, DECIDED) as world:
        await world.issue(world.write(customers(3)), wait=600)
        await world.time.sleep(89 * 86_400)
        assert (await look(world)).candidates == []


async def test_a_refused_input_is_pruned_too_and_can_be_issued_later(open_here: OpenHere) -> None:
    async with open_here(DECIDED) as world:
        refused = await issue_and_age(world)
        await prune_old(world)
        refused = await world.issue(world.write(customers(3, first=800_000_001) + "x,y\n", "bad.csv"))
        assert outcomes(refused) == {"not_sent": 3, "invalid": 1}
        await a_quarter_later(world)
        pruned = await prune_old(world)
        assert [(c.batch.input_name, c.fate) for c in pruned.candidates] == [("bad.csv", Fate.PRUNED)]
        assert await rows_of(world, "problems") == 0
        shown = await world.run(lambda services: show(services, refused.batch.batch))
        assert shown.exit_code is ExitCode.INPUT_REFUSED
        later = await world.issue(world.write(customers(3, first=800_000_001), "good.csv"))
    assert outcomes(later) == {"pending": 3}


async def test_a_batch_that_somebody_works_on_is_left(open_here: OpenHere) -> None:
    async with open_here(DECIDED) as world:
        old = await issue_and_age(world)

        async def prune_beside(services: Services) -> Pruning:
            async with services.lease(old.batch.batch):
                return await prune_old(world)

        pruned = await world.run(prune_beside)
        (candidate,) = pruned.candidates
        assert old.folder.exists()
        assert (candidate.fate, pruned.exit_code) == (Fate.LEFT, ExitCode.NOT_FINISHED)
        assert "works on batch" in candidate.remark
        assert [c.fate for c in (await prune_old(world)).candidates] == [Fate.PRUNED]


async def test_files_of_somebody_else_are_kept_with_their_folder(tmp_path: Path) -> None:
    async with open_world(tmp_path, DECIDED) as world:
        old = await issue_and_age(world)
        (old.folder / "notes.txt").write_text("seen by Kim")
        (old.folder / "failed.csv").mkdir()
        (candidate,) = (await prune_old(world)).candidates
        assert sorted(path.name for path in old.folder.iterdir()) == ["failed.csv", "notes.txt"]
        assert (candidate.fate, "were kept" in candidate.remark) == (Fate.PRUNED, True)
        assert (await look(world)).candidates == []


async def test_nothing_outside_the_folder_is_removed_through_a_link(tmp_path: Path) -> None:
    async with open_world(tmp_path, DECIDED) as world:
        old = await issue_and_age(world)
        elsewhere = tmp_path / "elsewhere"
        old.folder.rename(elsewhere)
        old.folder.symlink_to(elsewhere)
        (elsewhere / "report.html").unlink()
        (elsewhere / "report.html").symlink_to(world.folder / "old.csv")
        before = sorted(path.name for path in elsewhere.iterdir())
        (candidate,) = (await prune_old(world)).candidates
        assert sorted(path.name for path in elsewhere.iterdir()) == before
        assert "was left alone" in candidate.remark
        old.folder.unlink()
        elsewhere.rename(old.folder)
        await prune_old(world)
        assert not old.folder.exists()
        assert (world.folder / "old.csv").exists()


async def test_a_prune_that_was_cut_off_is_finished_by_the_next_whatever_the_age(open_here: OpenHere) -> None:
    async with open_here(MIXED) as world:
        old = await issue_and_age(world, 30)

        def forbid(connection: Any) -> None:
            connection.exec_driver_sql("alter table attempts rename to attempts_away")

        def allow(connection: Any) -> None:
            connection.exec_driver_sql("alter table attempts_away rename to attempts")

        await world.run(lambda services: services.ledger.write(forbid))
        with pytest.raises(LedgerUnavailable):
            await prune_old(world)
        await world.run(lambda services: services.ledger.write(allow))
        assert not old.folder.exists()
        assert await rows_of(world, "attempts") > 0
        (candidate,) = (await prune_old(world, timedelta(weeks=5_000))).candidates
        assert (candidate.batch.batch, candidate.fate) == (old.batch.batch, Fate.PRUNED)
        assert await rows_of(world, "attempts") == 0
        known = await world.run(lambda services: services.ledger.read(find_batch, old.batch.batch))
    assert known is not None
    assert (known.pruning, known.figures["counts"]) == (0, {k.value: n for k, n in old.counts.items() if n})


async def test_files_that_were_left_by_a_kill_go_with_the_next_prune(tmp_path: Path) -> None:
    async with open_world(tmp_path, DECIDED) as world:
        old = await issue_and_age(world)
        kept = world.folder / "kept"
        old.folder.rename(kept)
        await prune_old(world)
        kept.rename(old.folder)
        os.utime(old.folder)
        (candidate,) = (await prune_old(world, timedelta(weeks=5_000))).candidates
        assert candidate.fate is Fate.PRUNED
        assert not old.folder.exists()


async def test_what_is_pruned_needs_less_room_in_the_ledger(tmp_path: Path) -> None:
    async with open_world(tmp_path, DECIDED, chunk_size=100) as world:
        await issue_and_age(world, 20_000)
        before = (world.output / "ledger.db").stat().st_size
        pruned = await prune_old(world)
        after = (world.output / "ledger.db").stat().st_size
    assert pruned.given_back == before - after > before / 2
