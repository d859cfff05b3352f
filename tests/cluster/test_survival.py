"""Workers, scheduler, command and the ledger's server die: resumed, nothing is missing, nothing twice."""

import asyncio
import signal
import time

import pytest

from batch_issuer.cluster import open_engine
from batch_issuer.settings import Settings
from batch_issuer.site import Site
from tests.cluster.conftest import Begin
from tests.cluster.play import CONCURRENCY, CUSTOMERS, Play
from tests.cluster.processes import Member, wait_for
from tests.contract.engine.works import count_others
from tests.end_to_end.conftest import finish
from tests.postgresql import PostgresServer

pytestmark = [pytest.mark.cluster, pytest.mark.postgres, pytest.mark.end_to_end]

Lines = list[dict[str, str]]


def test_a_cluster_tells_of_a_file_what_one_process_tells(begin: Begin, alone: Lines) -> None:
    play = begin(1)
    done = play.terminal.run(*play.issue)
    assert (done.returncode, done.stderr) == (4, ""), done
    assert play.problems(alone) == []
    assert "lane" not in done.stdout


@pytest.mark.parametrize("seed", [11, 12])
def test_a_worker_is_killed_and_the_others_finish(begin: Begin, alone: Lines, seed: int) -> None:
    play = begin(seed)
    process = play.start()
    play.cluster.members[play.dice.choice(["worker-0", "worker-1"])].kill_the_one_that_works()
    done = finish(process)
    assert "Traceback" not in done.stderr
    assert done.returncode in {4, 5}, done
    play.resume_to_the_end()
    assert play.problems(alone) == []


def test_the_scheduler_is_killed_and_resume_finishes_with_another(begin: Begin, alone: Lines) -> None:
    play = begin(21)
    process = play.start()
    play.cluster.members["scheduler"].kill()
    done = finish(process)
    assert done.returncode == 5, done
    assert "was lost" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    play.cluster.start_scheduler()
    play.cluster.start_worker("worker-2")
    play.resume_to_the_end()
    assert play.problems(alone) == []


def test_the_scheduler_is_killed_and_resume_finishes_without_any(begin: Begin, alone: Lines) -> None:
    play = begin(22)
    process = play.start()
    play.cluster.members["scheduler"].kill()
    assert finish(process).returncode == 5
    del play.terminal.settings["BATCH_ISSUER_ENGINE"]
    play.resume_to_the_end()
    assert play.problems(alone) == []


@pytest.mark.parametrize("seed", [31, 32])
def test_the_command_is_killed_and_resume_goes_on_at_once(begin: Begin, alone: Lines, seed: int) -> None:
    play = begin(seed)
    process = play.start()
    process.kill()
    process.communicate()
    assert play.sent().total() < CUSTOMERS
    play.resume_to_the_end()
    assert play.problems(alone) == []


def test_the_ledgers_server_is_restarted_at_once_and_resume_finishes(
    begin: Begin, alone: Lines, postgres_server: PostgresServer
) -> None:
    play = begin(41)
    process = play.start()
    postgres_server.restart("immediate")
    done = finish(process)
    assert done.returncode == 5, done
    assert "Traceback" not in done.stderr
    play.resume_to_the_end()
    assert play.problems(alone) == []


def test_a_worker_that_stands_still_past_its_lease_and_wakes_sends_nothing_of_what_others_sent(
    begin: Begin, alone: Lines
) -> None:
    play = begin(51)
    process = play.start()
    sleeper = play.cluster.members["worker-0"]
    freeze_outside_a_write(play, sleeper)
    done = finish(process)
    assert "Traceback" not in done.stderr
    play.resume_to_the_end()
    assert play.problems(alone) == [], "while it stood still, each was sent once"
    sleeper.send_to_the_one_that_works(signal.SIGCONT)
    asyncio.run(wait_until_each_worker_has_nothing_to_do(play))
    again = play.sent().total() - CUSTOMERS  # it may have stopped between its last look and the send
    assert 0 <= again <= CONCURRENCY
    issued = play.server.truth()["issued"]
    assert [entry for entry in issued if entry["times"] > 1] == []
    assert len(issued) == CUSTOMERS


def freeze_outside_a_write(play: Play, member: Member) -> None:
    for _ in range(50):
        member.send_to_the_one_that_works(signal.SIGSTOP)
        wait_for(member.stands_still, "a worker that stands still")
        if not play.is_in_a_write():
            return
        member.send_to_the_one_that_works(signal.SIGCONT)
        time.sleep(play.dice.uniform(0, 0.1))
    raise AssertionError("it is always in a write")


async def wait_until_each_worker_has_nothing_to_do(play: Play) -> None:
    """Ask each worker what else it does."""
    facts = {"engine": play.cluster.engine, "ledger": play.terminal.settings["BATCH_ISSUER_LEDGER"]}
    async with open_engine(Site(Settings.model_validate(facts))) as engine:
        async with asyncio.timeout(30):
            while await engine.everywhere(count_others, None) != [0, 0]:  # noqa: ASYNC110 - elsewhere
                await asyncio.sleep(0.1)
