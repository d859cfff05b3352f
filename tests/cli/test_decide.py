"""`decide` as a checker meets it: what is asked for, and what is refused in one line."""

from pathlib import Path

import pytest

from tests.cli.test_commands import run

BATCH = "20260302-044500-abcdef"
CHECKER = {
    "BASE_URL": "https://api.example.com",
    "USERNAME": "maker",
    "PASSWORD": "one",
    "CHECKER_USERNAME": "checker",
    "CHECKER_PASSWORD": "two",
}


@pytest.mark.parametrize(
    ("arguments", "variables", "line"),
    [
        ([BATCH, "approve", "--message", "seen"], {}, f"knows no batch '{BATCH}'"),
        ([BATCH, "approve", "--message", "  "], {}, "the message is blank"),
        ([BATCH, "approve", "--message", "seen"], {"CHECKER_USERNAME": "maker"}, "is the maker's as well"),
        ([BATCH, "reject", "--message", "seen"], {"CHECKER_PASSWORD": ""}, "CHECKER_PASSWORD"),
    ],
)
def test_what_is_wrong_is_one_clear_line(
    tmp_path: Path, arguments: list[str], variables: dict[str, str], line: str
) -> None:
    done = run("decide", *arguments, folder=tmp_path, **{**CHECKER, **variables})
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert line in done.stderr


@pytest.mark.parametrize(
    "arguments", [[BATCH, "approve"], [BATCH, "perhaps", "--message", "x"], ["approve", "--message", "x"]]
)
def test_batch_verdict_and_message_are_required(tmp_path: Path, arguments: list[str]) -> None:
    assert run("decide", *arguments, folder=tmp_path, **CHECKER).returncode == 2
