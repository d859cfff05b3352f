"""The benchmarks run; how fast, they are asked at length elsewhere."""

from pathlib import Path

import pytest

from benchmarks import side_by_side
from benchmarks.sharing import measure

pytestmark = pytest.mark.end_to_end


def test_a_large_batch_is_recorded_beside_a_small_one_that_submits(tmp_path: Path) -> None:
    measured = measure(tmp_path, rows=20_000, rate=600, alone=1.0)
    assert measured.alone > 0
    assert measured.beside > 0
    assert measured.least_lease > 0


def test_what_the_program_takes_is_told_beside_the_limit(tmp_path: Path) -> None:
    figures = list(side_by_side.measure(rows=2_000, rounds=1, folder=tmp_path))
    table = side_by_side.table_of(figures, rounds=1)
    assert len(figures) == 3
    assert all(figure.ratio > 0 for figure in figures)
    assert table.count("\n| ") == 1 + len(figures)  # the header is one, too


def test_the_page_of_figures_has_a_table() -> None:
    assert side_by_side.PAGE.read_text().count("| ratio |") == 1
