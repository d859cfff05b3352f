"""`prune`, `export` and `backup` as a user meets them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from batch_issuer.sandbox import Scenario
from tests.cli.test_commands import run
from tests.pipeline.world import START, customers, open_world

BATCH = "20260302-044500-abcdef"


@pytest.fixture
def old_batch(tmp_path: Path) -> str:
    """Leave a batch in the folder `output` that was over years ago."""

    async def make() -> str:
        async with open_world(tmp_path, Scenario(decide_after_seconds=1)) as world:
            world.time.instant = START.replace(year=2020)
            return (await world.issue(world.write(customers(4)), name="spring", wait=60)).batch.batch

    return asyncio.run(make())


def answer(*arguments: str, folder: Path, **variables: str) -> Any:
    done = run(*arguments, "--json", folder=folder, **variables)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_prune_says_what_would_go_and_removes_it_only_where_that_is_asked_for(
    tmp_path: Path, old_batch: str
) -> None:
    looked = run("prune", "--older-than", "1h", folder=tmp_path)
    assert looked.returncode == 0
    assert old_batch in looked.stdout
    assert "customers.csv (spring)" in looked.stdout
    assert "1 batch, " in looked.stdout
    assert "Nothing was removed; --yes does it." in looked.stdout
    assert (tmp_path / "output" / old_batch / "input.csv").exists()
    done = run("prune", "--older-than", "1h", "--yes", folder=tmp_path)
    assert (done.returncode, f"{old_batch}" in done.stdout, "pruned" in done.stdout) == (0, True, True)
    assert not (tmp_path / "output" / old_batch).exists()
    again = run("prune", "--older-than", "1h", "--yes", folder=tmp_path)
    assert (again.returncode, again.stdout) == (0, "Nothing to prune.\n")


def test_the_setting_supplies_the_age(tmp_path: Path, old_batch: str) -> None:
    found = answer("prune", folder=tmp_path, RETENTION="1h")
    assert [one["batch"] for one in found["batches"]] == [old_batch]
    assert (found["done"], found["batches"][0]["result"], found["batches"][0]["rows"]) == (
        False,
        "to_prune",
        4,
    )
    assert found["batches"][0]["bytes"] > 0
    assert answer("prune", folder=tmp_path, RETENTION="5000w")["batches"] == []


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "say how old a batch must be: --older-than 90d"),
        (["--older-than", "ninety"], "write it like 90d, 12w or 36h"),
        (["--older-than", "-1d"], "write it like 90d, 12w or 36h"),
    ],
)
def test_an_age_that_is_missing_or_can_t_be_read_is_one_clear_line(
    tmp_path: Path, arguments: list[str], line: str
) -> None:
    done = run("prune", *arguments, "--yes", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert line in done.stderr


def test_the_history_says_that_a_batch_is_pruned(tmp_path: Path, old_batch: str) -> None:
    run("prune", "--older-than", "1h", "--yes", folder=tmp_path)
    assert " pruned " in run("batches", folder=tmp_path).stdout
    (listed,) = answer("batches", folder=tmp_path)
    assert listed["pruned_at"]
    shown = run("show", old_batch, folder=tmp_path)
    assert shown.returncode == 0
    assert "Pruned at " in shown.stdout
    assert "Files in" not in shown.stdout
    figures = answer("show", old_batch, folder=tmp_path)
    assert (figures["counts"]["issued"], figures["totals"]["balanced"]) == (4, True)
    assert figures["pruned_at"] == listed["pruned_at"]


def test_an_export_is_written_here_and_told(tmp_path: Path, old_batch: str) -> None:
    done = run("export", old_batch, folder=tmp_path)
    assert done.stdout.startswith(f"Wrote {old_batch}.zip (")
    assert (tmp_path / f"{old_batch}.zip").exists()
    again = run("export", old_batch, folder=tmp_path)
    assert (again.returncode, "is there already" in again.stderr) == (2, True)
    told = answer("export", old_batch, "--force", "--with-input", folder=tmp_path)
    assert (told["path"], "input/input.csv" in told["files"]) == (f"{old_batch}.zip", True)


def test_an_export_of_an_unknown_batch_is_refused(tmp_path: Path) -> None:
    done = run("export", BATCH, folder=tmp_path)
    assert (done.returncode, f"knows no batch '{BATCH}'" in done.stderr) == (2, True)


def test_a_backup_can_be_opened_as_a_ledger(tmp_path: Path, old_batch: str) -> None:
    told = answer("backup", folder=tmp_path)
    assert (tmp_path / told["backup"]).stat().st_size == told["bytes"]
    listed = answer("--ledger", f"sqlite:///{told['backup']}", "batches", folder=tmp_path)
    assert [one["batch"] for one in listed] == [old_batch]


def test_a_backup_of_a_ledger_on_a_server_names_the_command_to_run(tmp_path: Path) -> None:
    done = run("backup", folder=tmp_path, LEDGER="postgresql://kim:secret-word@db/badges")
    assert (done.returncode, "secret-word" in done.stderr) == (2, False)
    assert "run: pg_dump" in done.stderr
