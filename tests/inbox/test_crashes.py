"""A pass that is killed at any moment is finished by the next one: nothing twice, nothing lost."""

import asyncio
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.inbox.mortal import BAD, CUSTOMERS, GOOD, INVALID, KILLED
from tests.inbox.watched import rows_of
from tests.pipeline.world import World, open_world

ROOT = Path(__file__).parent.parent.parent
EVERY = int(os.environ.get("BATCH_ISSUER_TEST_EACH_TURN", "0"))
"""1 lets a process die at each turn of its loop, which takes some minutes; 0 at some of them."""
CHANGES = [("change", count) for count in range(1, 200)]
TURNS = [("turn", count) for count in (range(1, 1_000) if EVERY else range(9, 1_000, 37))]


async def lives_of(
    world: World, folder: Path, ledger: Path, deaths: list[tuple[str, int]]
) -> list[dict[str, Any]]:
    settings = world.settings().model_dump(mode="json", exclude_none=True)
    secrets = {
        name: getattr(world.settings(), name).get_secret_value() for name in ("password", "ui_auth_token")
    }
    facts = {
        "folder": str(folder),
        "ledger": str(ledger),
        "settings": {**settings, **secrets},
        "deaths": deaths,
        "until_none_dies": True,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.inbox.mortal", json.dumps(facts)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    told, _ = await process.communicate()
    assert process.returncode == 0
    return [json.loads(line) for line in told.splitlines()]


@pytest.mark.end_to_end
@pytest.mark.parametrize("deaths", [CHANGES, TURNS], ids=["before a name changes", "between two steps"])
async def test_a_killed_pass_is_finished_by_the_next_one(
    tmp_path: Path, migrated: Path, deaths: list[tuple[str, int]]
) -> None:
    async with open_world(tmp_path) as world:
        lives = await lives_of(world, tmp_path / "lives", migrated, deaths)
        # a request may be there twice under its id: the time of the test runs ahead of the server, which may
        # take what a dead process sent after the next one has looked for it; it runs once all the same
        requests = {request.request_id: request.customers for request in world.sandbox.requests}
    sent = Counter(customer for customers in requests.values() for customer in customers)
    assert sum(life["died"] == KILLED for life in lives) > 5
    assert lives[-1]["died"] == 0, "the last one was to live: let more of them die"
    for life in lives:
        first = life["first"]
        assert (life["healed"], [sent[first + n] for n in range(CUSTOMERS)]) == (0, [1] * CUSTOMERS)
        check_files(life["files"], first)


def check_files(files: dict[str, str], first: int) -> None:
    """Each file is in one place, whole, with its reports, and nothing half done is left."""
    content = {name: text for name, text in files.items() if ".reports/" not in name}
    del content[".batch_issuer"]
    assert content == {
        f"done/{GOOD}": rows_of(*range(first, first + CUSTOMERS)),
        f"refused/{BAD}": f"%PDF {first}",
        f"refused/{INVALID}": rows_of(f"x{first}"),
    }
    assert f"refused/{BAD}.reports/problem.txt" in files
    for report in ("reconciliation.csv", "requests.csv", "summary.json", "report.html"):
        assert f"done/{GOOD}.reports/{report}" in files
        assert f"refused/{INVALID}.reports/{report}" in files
    assert f"refused/{INVALID}.reports/rejects.csv" in files
    assert [name for name in files if name.endswith(".part")] == []
