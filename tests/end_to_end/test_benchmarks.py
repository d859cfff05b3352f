"""The benchmarks run; how fast, they are asked at length elsewhere."""

from pathlib import Path

import pytest

from benchmarks.sharing import measure

pytestmark = pytest.mark.end_to_end


def test_a_large_batch_is_recorded_beside_a_small_one_that_submits(tmp_path: Path) -> None:
    measured = measure(tmp_path, rows=20_000, rate=600, alone=1.0)
    assert measured.alone > 0
    assert measured.beside > 0
    assert measured.least_lease > 0
