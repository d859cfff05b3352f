"""Columns of cells are the very text that the csv module writes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from batch_issuer.reports.cells import cells, content, joined, numbers, protected_cells, texts_of
from batch_issuer.reports.files import csv_line, protect

texts = st.text(st.sampled_from("aZ0=+-@\t\r\n\"', ü€😀;"), max_size=5) | st.from_regex("[a-z0-9]{0,4}")
rows = st.lists(st.tuples(texts, texts, st.integers(0, 2**63 - 1)), min_size=1, max_size=20)


@given(rows)
def test_many_lines_at_once_are_what_the_csv_module_writes(given_rows: list[tuple[str, str, int]]) -> None:
    first, second, third = zip(*given_rows, strict=True)
    ends = joined(numbers(np.array(third, dtype=np.int64)), "\r\n", by="")
    lines = joined(cells(texts_of(first)), protected_cells(texts_of(second)), ends)
    expected = [csv_line([a, protect(b), c]) for a, b, c in given_rows]
    assert lines.to_pylist() == expected
    assert bytes(content(lines)).decode() == "".join(expected)


@given(st.lists(texts, min_size=3))
def test_a_part_of_a_column_has_its_own_content_alone(some: list[str]) -> None:
    assert bytes(content(texts_of(some).slice(1, len(some) - 2))).decode() == "".join(some[1:-1])


def test_nothing_has_no_content() -> None:
    assert not content(texts_of([]))
    assert not content(texts_of(["", ""]))


def test_a_number_that_is_not_there_is_an_empty_cell() -> None:
    assert numbers([200, None]).to_pylist() == ["200", ""]
