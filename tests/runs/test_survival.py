"""A server may stop or die at any moment: the next one goes on, and nothing is lost or sent twice."""

from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.errors import ConsoleInUse
from batch_issuer.ledger.batches import list_batches
from batch_issuer.ledger.runs import Action, Run
from batch_issuer.processes import this_process
from batch_issuer.runs import Runs
from batch_issuer.sandbox import Scenario
from tests.pipeline.machine import Death, End, Moment
from tests.pipeline.world import customers
from tests.runs.world import ConsoleWorld, elsewhere, finished, open_console, person, until

DEATHS = [
    *(Death(end=end, moment=Moment.POST_ARRIVES, count=n) for end in End for n in (1, 5, 10)),
    *(Death(end=end, moment=Moment.POST_ANSWERED, count=n) for end in End for n in (1, 5, 10)),
    *(Death(end=End.KILLED, moment=Moment.CLOCK_READ, count=n) for n in range(1, 60, 4)),
    *(Death(end=End.KILLED, moment=Moment.LOOP_TURN, count=n) for n in (1, 20, 60, 100, 150, 250, 400, 700)),
    *(Death(end=End.CANCELLED, moment=Moment.LOOP_TURN, count=n) for n in (20, 100, 250, 700)),
]


async def take_up_and_finish(world: ConsoleWorld) -> list[Run]:
    """Be the next server, until nothing is left to do."""
    ended: list[Run] = []

    async def work(runs: Runs) -> None:
        ended.extend([await finished(runs, run) for run in await runs.list_open()])
        assert await runs.list_open() == []

    await world.live_as_server(work)
    return ended


@pytest.mark.parametrize("death", DEATHS, ids=lambda death: f"{death.end}-{death.moment}-{death.count}")
async def test_a_run_outlives_its_server(tmp_path: Path, death: Death) -> None:
    async with open_console(tmp_path, timeout=5, settle=0.5) as world:
        file = world.write(customers(30, badges=2) + "x,y\n")
        asked: list[Run] = []

        async def work(runs: Runs) -> None:
            asked.append(await world.issue_upload(runs, file, on_invalid="skip"))
            await finished(runs, asked[0])

        with suppress(ConsoleInUse):
            await world.live_as_server(work, death)
        await take_up_and_finish(world)
        async with world.records() as records:
            batches = await records.read(list_batches)
        if not batches:  # it died before anything was asked of it
            assert world.sandbox.posts == 0
            return
        assert len(batches) == 1
        counted = Counter(customer for one in world.sandbox.requests for customer in one.customers)
        assert set(counted.values()) == {1}
        assert len(counted) == 30
        assert Counter(line["outcome"] for line in world.lines()) == {"pending": 30, "invalid": 1}
        async with world.server(this_process()) as runs:
            (run,) = await runs.of_batch(batches[0].batch)
            assert (run.batch, run.exit_code) == (batches[0].batch, ExitCode.ROWS_NEED_A_LOOK)


async def test_a_server_that_is_stopped_finishes_what_is_under_way_and_leaves_the_rest(
    tmp_path: Path,
) -> None:
    async with open_console(tmp_path, concurrency=2) as world:
        async with world.server(this_process()) as runs:
            run = await world.issue_upload(runs, world.write(customers(60)))
            await until(lambda: world.sandbox.posts >= 3)
        assert {line["outcome"] for line in world.lines()} == {"pending", "not_sent"}
        async with world.server(this_process()) as runs:
            (left,) = await runs.list_open()
            assert left.run == run.run
            assert (await finished(runs, left)).exit_code is ExitCode.DONE
    assert Counter(line["outcome"] for line in world.lines()) == {"pending": 60}


async def test_a_decision_that_was_cut_off_is_finished(tmp_path: Path) -> None:
    async with open_console(tmp_path) as world:
        async with world.server(this_process()) as runs:
            issued = await finished(runs, await world.issue_upload(runs, world.write(customers(30))))

        async def work(runs: Runs) -> None:
            run = await runs.start(Action.APPROVE, issued.batch, by=person("eve"), message="fine")
            await finished(runs, run)

        await world.live_as_server(work, Death(end=End.KILLED, moment=Moment.LIST_ARRIVES, count=1))
        (decided,) = await take_up_and_finish(world)
    assert (decided.action, decided.exit_code) == (Action.APPROVE, ExitCode.DONE)
    assert Counter(line["outcome"] for line in world.lines()) == {"issued": 30}


async def test_a_retry_that_was_cut_off_is_finished(tmp_path: Path) -> None:
    async with open_console(tmp_path, Scenario(decide_after_seconds=None)) as world:
        for _ in range(4):
            world.sandbox.will_answer(400)
        async with world.server(this_process()) as runs:
            issued = await finished(runs, await world.issue_upload(runs, world.write(customers(30))))

        async def work(runs: Runs) -> None:
            await finished(runs, await runs.start(Action.RETRY, issued.batch, by=person("mia")))

        await world.live_as_server(work, Death(end=End.KILLED, moment=Moment.POST_ARRIVES, count=2))
        await take_up_and_finish(world)
    assert Counter(line["outcome"] for line in world.lines()) == {"pending": 30}


async def test_what_a_dead_server_of_another_container_holds_runs_out(tmp_path: Path) -> None:
    async with open_console(tmp_path, timeout=5, settle=0.5) as world:

        async def work(runs: Runs) -> None:
            await finished(runs, await world.issue_upload(runs, world.write(customers(30))))

        death = Death(end=End.KILLED, moment=Moment.POST_ARRIVES, count=5)
        await world.live_as_server(work, death, where=elsewhere)
        began = world.time.seconds()
        async with world.server(this_process()) as runs:
            (left,) = await runs.list_open()
            assert (await finished(runs, left)).exit_code is ExitCode.DONE
        assert 30 < world.time.seconds() - began < 200
    assert Counter(line["outcome"] for line in world.lines()) == {"pending": 30}
