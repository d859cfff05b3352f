"""A file is moved once, never over another one, and is what it was."""

import hashlib
from pathlib import Path

import pytest

from batch_issuer.inbox.moving import (
    Content,
    Moved,
    PlaceTaken,
    _keep,
    copy_reports,
    free_place,
    move,
    reports_of,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("done", "refused", "batch"):
        (tmp_path / name).mkdir()
    return tmp_path


def put(path: Path, text: str = "ours") -> Path:
    path.write_text(text)
    return path


OURS = Content(sha256=hashlib.sha256(b"ours").hexdigest())


def test_a_file_keeps_its_name_where_that_is_free(folder: Path) -> None:
    assert free_place(folder, "done", "a.csv", "B") == "done/a.csv"


def test_a_file_gets_another_name_where_its_own_is_taken(folder: Path) -> None:
    put(folder / "done" / "a.csv", "")
    assert free_place(folder, "done", "a.csv", "B") == "done/a-B.csv"
    put(folder / "done" / "a-B.csv")
    assert free_place(folder, "done", "a.csv", "B") == "done/a-B-2.csv"


def test_reports_of_another_file_are_not_mixed_with_new_ones(folder: Path) -> None:
    reports = reports_of(folder / "done" / "a.csv")
    reports.mkdir()
    assert free_place(folder, "done", "a.csv", "B") == "done/a.csv"
    put(reports / "summary.json")
    assert free_place(folder, "done", "a.csv", "B") == "done/a-B.csv"


def test_a_file_is_moved_and_moved_again_without_harm(folder: Path) -> None:
    source, place = put(folder / "a.csv"), folder / "done" / "a.csv"
    assert move(source, place, OURS) is Moved.THERE
    assert (source.exists(), place.read_text()) == (False, "ours")
    assert move(source, place, OURS) is Moved.THERE
    assert place.read_text() == "ours"


def test_a_name_that_a_killed_process_kept_free_is_used(folder: Path) -> None:
    source, place = put(folder / "a.csv"), folder / "done" / "a.csv"
    _keep(place)
    assert free_place(folder, "done", "a.csv", "B") == "done/a.csv"
    assert move(source, place, OURS) is Moved.THERE
    assert place.read_text() == "ours"


@pytest.mark.parametrize("text", ["somebody's", ""])
def test_no_other_file_is_ever_overwritten(folder: Path, text: str) -> None:
    source, place = put(folder / "a.csv"), put(folder / "done" / "a.csv", text)
    with pytest.raises(PlaceTaken):
        move(source, place, OURS)
    assert (source.read_text(), place.read_text()) == ("ours", text)


def test_a_new_file_of_the_same_name_stays(folder: Path) -> None:
    source, place = put(folder / "a.csv", "tomorrow's"), folder / "done" / "a.csv"
    assert move(source, place, OURS) is Moved.REPLACED
    assert (source.read_text(), place.exists()) == ("tomorrow's", False)


def test_a_new_file_stays_when_the_earlier_one_is_in_its_place(folder: Path) -> None:
    source, place = put(folder / "a.csv", "tomorrow's"), put(folder / "done" / "a.csv")
    assert move(source, place, OURS) is Moved.THERE
    assert (source.read_text(), place.read_text()) == ("tomorrow's", "ours")


def test_a_file_that_somebody_took_away_leaves_no_other_in_its_place(folder: Path) -> None:
    place = folder / "done" / "a.csv"
    _keep(place)
    assert move(folder / "a.csv", place, OURS) is Moved.GONE
    assert not place.exists()


class SwappedMeanwhile(Content):
    """What somebody replaces right after it was found to be the expected content."""

    def is_in(self, path: Path) -> bool:
        is_expected = Content.is_in(self, path)
        path.write_text("tomorrow's")
        return is_expected


def test_a_file_that_is_replaced_while_it_is_looked_at_stays(folder: Path) -> None:
    source, place = put(folder / "a.csv"), folder / "done" / "a.csv"
    assert move(source, place, SwappedMeanwhile(sha256=OURS.sha256)) is Moved.REPLACED
    assert (source.read_text(), place.exists()) == ("tomorrow's", False)


def test_copies_of_reports_follow_the_batch(folder: Path) -> None:
    batch, reports = folder / "batch", folder / "done" / "a.csv.reports"
    for name in ("summary.json", "failed.csv", "input.csv"):
        put(batch / name)
    copy_reports(batch, reports)
    assert {path.name for path in reports.iterdir()} == {"summary.json", "failed.csv"}
    (batch / "failed.csv").unlink()
    put(batch / "summary.json", "new")
    put(reports / ".summary.json.1.part")
    copy_reports(batch, reports)
    assert {path.name: path.read_text() for path in reports.iterdir()} == {"summary.json": "new"}
