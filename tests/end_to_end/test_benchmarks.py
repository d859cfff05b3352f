"""The benchmarks run; how fast, they are asked at length elsewhere."""

from pathlib import Path

import pytest

from benchmarks.__main__ import FULL_PARTS, PARTS, SMALL, measure
from benchmarks.figures import PAGE, Figure, Goal, table_of
from benchmarks.sharing import measure as measure_sharing

pytestmark = pytest.mark.end_to_end


def test_a_large_batch_is_recorded_beside_a_small_one_that_submits(tmp_path: Path) -> None:
    measured = measure_sharing(tmp_path, rows=20_000, rate=600, alone=1.0)
    assert measured.alone > 0
    assert measured.beside > 0
    assert measured.least_lease > 0


@pytest.mark.parametrize("part", [*PARTS, *FULL_PARTS])
def test_what_the_program_takes_is_told_beside_the_limit(part: str) -> None:
    figures = list(measure([part], SMALL))
    assert figures
    assert all(value > 0 for figure in figures for value in figure.ours if "429" not in figure.name)
    assert table_of(figures, rounds=1).count("\n| ") == 1 + len(figures)  # the header is one, too


def test_a_table_says_what_was_asked_and_whether_it_was_met() -> None:
    fast = Figure(name="a", ours=[1.0, 2.0, 9.0], against="b", other=[2.0], goal=Goal(bound=1.0))
    slow = Figure(name="c", ours=[3.0], unit="MB", goal=Goal(bound=4.0, is_most=False))
    assert fast.line() == "| a | 2 s (1 to 9) | b | 2 s | 1 | <= 1 | yes |"
    assert slow.line() == "| c | 3 MB |  |  |  | >= 4 MB | **no** |"


def test_the_page_of_figures_has_a_table() -> None:
    assert PAGE.read_text().count("| ratio |") == 1
