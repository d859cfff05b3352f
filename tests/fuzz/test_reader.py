"""A taste of the fuzzing that CI does for longer."""

from pathlib import Path

from .reader import fuzz


def test_changed_and_broken_files_are_read_or_refused_in_one_line(tmp_path: Path) -> None:
    counts = fuzz(7, tmp_path, files=200)

    assert counts["read"] > 20
    assert counts["refused"] > 20
    assert counts.total() == 200
