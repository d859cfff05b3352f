"""`batch.toml`: what it may say, and what a wrong one is answered with."""

from pathlib import Path

import pytest

from batch_issuer.errors import UsageError
from batch_issuer.inbox import read_defaults


def write(folder: Path, text: str) -> Path:
    (folder / "batch.toml").write_text(text)
    return folder


def test_a_folder_without_one_has_no_defaults(tmp_path: Path) -> None:
    defaults = read_defaults(tmp_path)
    assert (defaults.settings, defaults.issue) == ({}, {})


def test_all_that_it_may_say_is_read(tmp_path: Path) -> None:
    defaults = read_defaults(
        write(
            tmp_path,
            """
            badge_meta_id = "000000000000000000000001"
            owner_type = "Loyalty"
            reference_id = "spring"
            issue_event_date = "2026-03-01"
            on_invalid = "skip"
            max_invalid = 5
            name = "Spring"
            delimiter = "semicolon"
            encoding = "utf-8"
            check_badges = false
            map = { "Member No" = "customer_id" }
            """,
        )
    )
    assert defaults.settings == {
        "badge_meta_id": "000000000000000000000001",
        "owner_type": "Loyalty",
        "reference_id": "spring",
        "issue_event_date": "2026-03-01",
    }
    assert defaults.issue == {
        "on_invalid": "skip",
        "max_invalid": 5,
        "name": "Spring",
        "delimiter": "semicolon",
        "encoding": "utf-8",
        "check_badges": False,
        "mapped": {"memberno": "customer_id"},
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('badge_meta = "x"', "unknown key 'badge_meta'; did you mean badge_meta_id?"),
        ("zzz = 1", "unknown key 'zzz'; it may have badge_meta_id,"),
        ("badge_meta_id = 5", "badge_meta_id must be text; put it in quotes"),
        ('check_badges = "no"', "check_badges must be true or false"),
        ('map = "a=b"', "map must be a table"),
        ('map = { "Member" = "customer" }', "columns are customer_id"),
        ('on_invalid = "ignore"', "on_invalid must be stop or skip"),
        ('max_invalid = "many"', "max-invalid 'many': write a count like 25 or a percentage"),
        ('encoding = "latin"', "encoding 'latin' is not known; use utf-8"),
        ('delimiter = "x"', "delimiter 'x' is not known; use comma"),
        ("on_invalid = ", "can't be read"),
    ],
)
def test_a_wrong_one_is_told_in_a_line_and_nothing_is_taken(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_defaults(write(tmp_path, text))
    message = str(refused.value)
    assert told in message
    assert str(tmp_path / "batch.toml") in message
    assert message.endswith("nothing was taken from the folder")


def test_all_unknown_keys_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'colour'.*'size'"):
        read_defaults(write(tmp_path, 'colour = "red"\nsize = 1'))
