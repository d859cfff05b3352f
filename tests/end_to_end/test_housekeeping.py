"""Pruning as a process that is killed, and a backup beside a process that sends."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from batch_issuer.errors import AlreadyIssued
from batch_issuer.sandbox import Scenario
from tests.end_to_end.conftest import Terminal, finish
from tests.pipeline.world import START, World, customers, open_world, outcomes

PRUNE = ("prune", "--older-than", "1h", "--yes")
REQUESTS = 3_000


def ask(folder: Path, query: str) -> int:
    """Ask the ledger for one number."""
    with closing(sqlite3.connect(f"file:{folder}/output/ledger.db?mode=ro", uri=True)) as connection:
        found: int = connection.execute(query).fetchone()[0]
        return found


MOMENTS: dict[str, Callable[[Path, Path], bool]] = {
    "the ledger says that it began": lambda folder, _: (
        ask(folder, "select count(*) from batches where pruned_at > ''") == 1
    ),
    "the files are gone": lambda _, batch: not batch.exists(),
    "some rows are gone": lambda folder, _: ask(folder, "select count(*) from attempts") < REQUESTS,
}


async def issue_long_ago(world: World) -> Path:
    world.time.instant = START.replace(year=2020)
    summary = await world.issue(world.write(customers(REQUESTS)), wait=60)
    assert outcomes(summary) == {"issued": REQUESTS}
    return summary.folder


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_prune_that_is_killed_is_finished_by_the_next_and_both_guards_hold(
    tmp_path: Path, moment: str
) -> None:
    scenario = Scenario(decide_after_seconds=1)
    async with open_world(tmp_path, scenario, chunk_size=1, concurrency=32) as world:
        batch = await issue_long_ago(world)
        terminal = Terminal(folder=tmp_path)
        pruning = terminal.start(*PRUNE)
        until = time.monotonic() + 60
        while not MOMENTS[moment](tmp_path, batch):
            assert time.monotonic() < until
        pruning.kill()
        finish(pruning)
        done = terminal.run(*PRUNE)
        assert done.returncode == 0, done.stderr
        terminal.close()
        with pytest.raises(AlreadyIssued):
            await world.issue(world.folder / "customers.csv")
        later = await world.issue(world.write(customers(REQUESTS + 2), "later.csv"))
    assert not batch.exists()
    assert ask(tmp_path, "select sum(pruning) from batches") == 0
    assert ask(tmp_path, f"select count(*) from attempts where request_id like '{batch.name}%'") == 0  # noqa: S608 - a test's own
    assert outcomes(later) == {"already_issued": REQUESTS, "pending": 2}
