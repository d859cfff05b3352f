"""Runs belong to the server: asked for once, done once, and told of to whoever asks."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from batch_issuer.acceptance import IssueOptions
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.errors import ConsoleInUse, KeyReused, OwnBatch, RunExists, UnknownBatch, UsageError
from batch_issuer.ledger.audit import list_entries
from batch_issuer.ledger.batches import find_batch, list_batches
from batch_issuer.ledger.runs import Action, IdempotencyKey, Run
from batch_issuer.processes import this_process
from batch_issuer.runs import Runs
from tests.pipeline.world import customers
from tests.runs.world import UPLOAD, ConsoleWorld, finished, open_console, person, until


def sent(world: ConsoleWorld) -> Counter[int]:
    return Counter(customer for record in world.sandbox.requests for customer in record.customers)


def outcomes(world: ConsoleWorld) -> dict[str, int]:
    return dict(Counter(line["outcome"] for line in world.lines()))


async def test_an_upload_becomes_a_batch_that_says_who_issued_it(tmp_path: Path) -> None:
    async with open_console(tmp_path) as world, world.server() as runs:
        run = await world.issue_upload(runs, world.write(customers(7)), name="May")
        assert run.is_open
        ended = await finished(runs, run)
        assert (ended.exit_code, ended.message, ended.user) == (ExitCode.DONE, "", "mia")
        async with world.records() as records:
            batch = await records.read(find_batch, ended.batch)
    assert batch is not None
    assert (batch.issued_by, batch.upload, batch.input_name, batch.name) == ("mia", UPLOAD, "may.csv", "May")
    assert outcomes(world) == {"pending": 7}


async def test_a_double_click_starts_one_run(tmp_path: Path) -> None:
    async with open_console(tmp_path) as world, world.server() as runs:
        file = world.write(customers(7))
        clicks = await asyncio.gather(
            *(world.issue_upload(runs, file) for _ in range(5)), return_exceptions=True
        )
        (run,) = (click for click in clicks if isinstance(click, Run))
        others = [click for click in clicks if isinstance(click, RunExists)]
        assert [other.run for other in others] == [run.run] * 4
        await finished(runs, run)
        with pytest.raises(RunExists) as late:  # a page that was left open
            await world.issue_upload(runs, file)
        assert late.value.run == run.run
    assert set(sent(world).values()) == {1}


async def test_of_what_sends_a_batch_one_runs_at_a_time(tmp_path: Path) -> None:
    async with open_console(tmp_path) as world, world.server() as runs:
        issuing = await world.issue_upload(runs, world.write(customers(30)))
        batch = await batch_of(runs, issuing)
        for action in (Action.RESUME, Action.RETRY):
            with pytest.raises(RunExists):
                await runs.start(action, batch, by=person("tom"))
        reading = await runs.start(Action.REFRESH, batch, by=person("tom"))
        assert (await finished(runs, issuing)).exit_code is ExitCode.DONE
        await finished(runs, reading)  # it may have found the batch still being recorded, or its files taken


async def batch_of(runs: Runs, run: Run) -> str:
    """Look until there is a batch, as an open page does."""
    while True:
        found = await runs.find(run.run)
        assert found is not None
        if found.batch:
            return found.batch


async def test_a_refused_file_ends_its_run_and_can_be_issued_once_it_is_corrected(tmp_path: Path) -> None:
    async with open_console(tmp_path) as world, world.server() as runs:
        file = world.write(customers(3) + "x,y\n")
        ended = await finished(runs, await world.issue_upload(runs, file))
        assert ended.exit_code is ExitCode.INPUT_REFUSED
        assert "1 of 4 rows is invalid" in ended.message
        world.write(customers(3))
        again = await finished(runs, await world.issue_upload(runs, file))
        assert again.exit_code is ExitCode.DONE
        assert again.batch != ended.batch


async def test_what_is_no_spreadsheet_ends_its_run_in_one_sentence(tmp_path: Path) -> None:
    async with open_console(tmp_path) as world, world.server() as runs:
        file = world.write("customer_id,badge_meta_id\n")
        ended = await finished(runs, await world.issue_upload(runs, file))
    assert ended.exit_code is ExitCode.INPUT_REFUSED
    assert ended.message
    assert not ended.batch


async def test_a_value_for_the_whole_file_holds_for_its_run_alone(tmp_path: Path) -> None:
    async with open_console(tmp_path) as world, world.server() as runs:
        options = IssueOptions(check_badges=False, upload=UPLOAD)
        file = world.write("customer_id\n700000001\n")
        values = {"badge_meta_id": "ab" * 12}
        run = await runs.issue(UPLOAD, file, options, by=person("mia"), settings=values)
        assert (await finished(runs, run)).exit_code is ExitCode.DONE
    assert [line["badge_meta_id"] for line in world.lines()] == ["ab" * 12]


async def test_a_key_names_one_wish_for_ever(tmp_path: Path) -> None:
    async with open_console(tmp_path) as world, world.server() as runs:
        file, key = world.write(customers(3)), IdempotencyKey(key="order 7", digest="aa")

        async def create(upload: str) -> Run:
            options = IssueOptions(check_badges=False, upload=upload)
            return await runs.issue(upload, file, options, by=person("shop"), key=key)

        first, second = await asyncio.gather(create("a" * 16), create("b" * 16))
        assert first.run == second.run
        await finished(runs, first)
        assert (await create("c" * 16)).run == first.run
        with pytest.raises(KeyReused):
            await runs.made_under("shop", IdempotencyKey(key="order 7", digest="bb"))
        assert await runs.made_under("other", key) is None
        async with world.records() as records:
            assert len(await records.read(list_batches)) == 1


async def test_a_checker_decides_a_batch_and_no_maker_of_it_can(tmp_path: Path) -> None:
    async with open_console(tmp_path) as world, world.server() as runs:
        issued = await finished(runs, await world.issue_upload(runs, world.write(customers(7))))
        resumed = await runs.start(Action.RESUME, issued.batch, by=person("tom"))
        await finished(runs, resumed)
        for maker in ("mia", "tom", "Mia"):
            with pytest.raises(OwnBatch, match="another checker"):
                await runs.start(Action.APPROVE, issued.batch, by=person(maker), message="fine")
        with pytest.raises(UsageError, match="blank"):
            await runs.start(Action.APPROVE, issued.batch, by=person("eve"), message=" ")
        decided = await runs.start(Action.APPROVE, issued.batch, by=person("eve"), message="fine")
        assert (await finished(runs, decided)).exit_code is ExitCode.DONE
        assert [run.action for run in await runs.of_batch(issued.batch)][-1] is Action.ISSUE
    assert outcomes(world) == {"issued": 7}


async def test_who_issues_a_batch_that_is_still_recorded_can_not_decide_it(tmp_path: Path) -> None:
    async with open_console(tmp_path) as world, world.server() as runs:
        issuing = await world.issue_upload(runs, world.write(customers(30)))
        batch = await batch_of(runs, issuing)
        with pytest.raises(OwnBatch):
            await runs.start(Action.REJECT, batch, by=person("mia"), message="no")
        await finished(runs, issuing)


async def test_who_decides_a_batch_adds_nothing_to_it_meanwhile(tmp_path: Path) -> None:
    async with open_console(tmp_path) as world, world.server() as runs:
        issued = await finished(runs, await world.issue_upload(runs, world.write(customers(7))))
        deciding = await runs.start(Action.APPROVE, issued.batch, by=person("eve"), message="fine")
        with pytest.raises(RunExists) as refused:  # else the decision would hold for what she sends
            await runs.start(Action.RETRY, issued.batch, by=person("eve"))
        assert refused.value.run == deciding.run
        await finished(runs, deciding)
        assert {run.user for run in await runs.of_batch(issued.batch)} == {"mia", "eve"}


async def test_of_a_decision_and_a_retry_that_come_together_one_is_refused(tmp_path: Path) -> None:
    async with open_console(tmp_path) as world, world.server() as runs:
        issued = await finished(runs, await world.issue_upload(runs, world.write(customers(7))))
        wishes = await asyncio.gather(
            runs.start(Action.RETRY, issued.batch, by=person("eve")),
            runs.start(Action.APPROVE, issued.batch, by=person("eve"), message="fine"),
            return_exceptions=True,
        )
        assert sorted(type(wish).__name__ for wish in wishes) in (["OwnBatch", "Run"], ["Run", "RunExists"])


async def test_an_unknown_batch_starts_nothing(tmp_path: Path) -> None:
    async with open_console(tmp_path) as world, world.server() as runs:
        with pytest.raises(UnknownBatch):
            await runs.start(Action.RESUME, "20260101-000000-abcdef", by=person("mia"))
        assert await runs.list_open() == []


async def test_a_run_that_is_paused_ends_in_order_and_is_resumed(tmp_path: Path) -> None:
    async with open_console(tmp_path, concurrency=1) as world, world.server() as runs:
        issuing = await world.issue_upload(runs, world.write(customers(60)))
        await until(lambda: world.sandbox.posts > 0)
        assert runs.stop(issuing.run)
        paused = await finished(runs, issuing)
        assert paused.exit_code is ExitCode.NOT_FINISHED
        assert {"pending", "not_sent"} == set(outcomes(world))
        assert not runs.stop(issuing.run)
        resumed = await runs.start(Action.RESUME, paused.batch, by=person("mia"))
        assert (await finished(runs, resumed)).exit_code is ExitCode.DONE
    assert outcomes(world) == {"pending": 60}
    assert set(sent(world).values()) == {1}


async def test_a_fifth_run_waits_for_its_turn(tmp_path: Path) -> None:
    async with open_console(tmp_path) as world, world.server() as runs:
        made = [
            await world.issue_upload(
                runs, world.write(customers(9, first=700_000_001 + 100 * n), f"{n}.csv"), upload=f"{n:016x}"
            )
            for n in range(6)
        ]
        first = runs.progress(made[0].run)
        assert first is not None
        await until(lambda: not first.is_waiting)
        waiting = [progress.is_waiting for run in made if (progress := runs.progress(run.run)) is not None]
        assert waiting[-2:] == [True, True]
        ended = [await finished(runs, run) for run in made]
    assert {run.exit_code for run in ended} == {ExitCode.DONE}


async def test_progress_can_be_looked_at_while_a_run_works(tmp_path: Path) -> None:
    async with open_console(tmp_path, concurrency=1) as world, world.server() as runs:
        run = await world.issue_upload(runs, world.write(customers(30)))
        progress = runs.progress(run.run)
        assert progress is not None
        await finished(runs, run)
        assert (progress.checked, progress.planned, progress.at_rest) == (30, 10, 10)
        assert runs.progress(run.run) is None


async def test_a_second_server_on_the_same_ledger_is_refused_in_one_line(tmp_path: Path) -> None:
    async with open_console(tmp_path) as world, world.server(this_process()):
        with pytest.raises(ConsoleInUse, match="serves the console with this ledger already"):
            async with world.server(this_process()):
                pass


async def test_who_asked_for_what_and_how_it_ended_is_in_the_audit_log(tmp_path: Path) -> None:
    async with open_console(tmp_path) as world, world.server() as runs:
        issued = await finished(runs, await world.issue_upload(runs, world.write(customers(3))))
        refreshed = await runs.start(Action.REFRESH, issued.batch, by=person("tom"))
        await finished(runs, refreshed)
        with pytest.raises(RunExists):
            await world.issue_upload(runs, world.write(customers(3)))
        async with world.records() as records:
            entries = await records.read(list_entries)
    assert [(entry.user, entry.action.value, entry.about) for entry in reversed(entries)] == [
        ("mia", "issue_confirmed", UPLOAD),
        ("", "run_ended", issued.batch),
        ("tom", "refresh_asked", issued.batch),
        ("", "run_ended", issued.batch),
    ]
    assert {entry.address for entry in entries if entry.user} == {"10.0.0.7"}
