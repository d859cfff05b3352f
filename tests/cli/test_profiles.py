"""Profiles and several files on the command line: what can't be meant so is refused at once."""

import json
from pathlib import Path

import pytest

from batch_issuer.batch.commands import for_profile
from batch_issuer.cli.app import app
from batch_issuer.cli.progress import SummedProgress
from tests.cli.test_commands import run, write

BADGE = "0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    (tmp_path / "batch_issuer.toml").write_text(
        '[profiles.north]\nbase_url = "https://north.example.com"\n[profiles.south]\nrate = "fast"\n'
    )
    write(tmp_path, f"1,{BADGE}")
    (tmp_path / "link.csv").symlink_to("in.csv")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--profile", "nroth", "batches"], "has no profile 'nroth'; did you mean north?"),
        (["--profile", "nroth", "issue", "in.csv", "b.csv"], "has no profile 'nroth'"),
        (["--profile", "south", "batches"], "settings: profile south: RATE: "),
        (["--profile", "south", "issue", "in.csv", "b.csv"], "settings: profile south: RATE: "),
        (["--profile", "north", "--profile", "south", "resume"], "--profile can be given once"),
        (["--profile", "north", "--profile", "south", "doctor"], "--profile can be given once"),
        (["--profile", "north", "--profile", "south", "issue", "in.csv"], "--profile can be given once"),
        (
            ["--profile", "north", "--profile", "south", "issue", "in.csv", "b.csv", "c.csv"],
            "--profile is given 2 times for 3 files",
        ),
        (["issue", "in.csv", "b.csv", "in.csv"], "in.csv is given twice"),
        (["issue", "in.csv", "./in.csv"], "./in.csv is given twice"),
        (["issue", "in.csv", "link.csv"], "link.csv is given twice"),
        (["--profile", "north", "--profile", "north", "issue", "in.csv", "in.csv"], "in.csv is given twice"),
        (["issue", "in.csv", "s3://key:secret@bucket/a.csv"], "s3://"),
        (["issue", "in.csv", "-"], "- is standard input, which can be issued alone"),
    ],
)
def test_what_can_not_be_meant_so_is_refused_before_anything_begins(
    folder: Path, arguments: list[str], told: str
) -> None:
    before = sorted(folder.iterdir())
    done = run(*arguments, folder=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert sorted(folder.iterdir()) == before


def test_where_no_file_can_be_issued_for_its_settings_each_says_so_and_2_is_the_code(folder: Path) -> None:
    write(folder, f"1,{BADGE}")
    (folder / "b.csv").write_text("x")
    done = run("--profile", "north", "issue", "in.csv", "b.csv", "--json", folder=folder)
    assert done.returncode == json.loads(done.stdout)["exit_code"] == 2
    first, second = sorted(done.stderr.splitlines())  # they come as they end
    assert first.startswith("batch-issuer: b.csv: settings: USERNAME and PASSWORD")
    assert second.startswith("batch-issuer: in.csv: settings: USERNAME and PASSWORD")


def test_a_profile_may_come_from_the_environment(folder: Path) -> None:
    done = run("batches", folder=folder, PROFILE="south")
    assert (done.returncode, "settings: profile south: RATE" in done.stderr) == (2, True)


def test_an_empty_profile_is_none(folder: Path) -> None:
    assert run("--profile", "", "batches", folder=folder, PROFILE="south").returncode == 0


def test_messages_name_the_profile_in_the_commands_that_they_tell(folder: Path) -> None:
    planned = run("--profile", "north", "plan", "in.csv", "--no-check-badges", folder=folder)
    assert planned.stdout.endswith("\nNext: batch-issuer --profile north issue in.csv\n")
    valid = run("--profile", "north", "validate", "in.csv", folder=folder)
    assert valid.stdout.endswith("\nNext: batch-issuer --profile north plan in.csv\n")
    none = run("--profile", "north", "show", folder=folder)
    assert "start with `batch-issuer --profile north issue FILE`" in none.stderr
    unknown = run("--profile", "north", "show", "20260101-000000-abcdef", folder=folder)
    assert "`batch-issuer --profile north batches` lists" in unknown.stderr


def test_a_command_gets_a_profile_once_and_nothing_else_does() -> None:
    text = "batch-issuer could not: run `batch-issuer resume X` or batch-issuer --profile a show X"
    told = (
        "batch-issuer could not: run `batch-issuer --profile b resume X` or batch-issuer --profile a show X"
    )
    assert for_profile(text, "b") == told
    assert for_profile(told, "b") == told
    assert for_profile(text, "") == for_profile(text, None) == text


def test_each_command_that_reads_settings_can_be_told_with_a_profile() -> None:
    names = {command.name for command in app.registered_commands} | {"users"}
    for name in names - {"template", "sandbox", "demo"}:
        assert for_profile(f"batch-issuer {name}", "a") == f"batch-issuer --profile a {name}"


def test_progress_of_several_files_is_one_bar_that_grows(capsys: pytest.CaptureFixture[str]) -> None:
    progress = SummedProgress(is_shown=True)
    progress.rows_checked(5)
    progress.requests_planned(2)
    progress.rows_checked(5)
    progress.requests_planned(3)
    for _ in range(4):
        progress.request_at_rest()
    progress.close()
    shown = capsys.readouterr().err
    assert "4/5" in shown
    assert shown.count("\n") == 2  # that of checking, and that of submitting
