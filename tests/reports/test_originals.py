"""Rows that were read as columns come back as those that were read cell by cell."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from batch_issuer.intake import RawBlock
from batch_issuer.intake.columns import Columns
from batch_issuer.reports.cells import protected_cells, texts_of
from batch_issuer.reports.files import csv_line
from batch_issuer.reports.originals import ColumnRows, cells_as_read, original_lines
from batch_issuer.reports.row_files import original_line

texts = st.text(st.sampled_from("aZ0=+-@\t\r\n\"', ü€\x1c"), max_size=4)
tables = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(texts, min_size=width, max_size=width), min_size=1, max_size=8)
)


@given(
    tables, st.integers(1, 4), st.sampled_from([{}, {"badge_meta_id": "given"}]), st.lists(texts, min_size=8)
)
def test_both_kinds_of_rows_are_written_alike(
    rows: list[list[str]], header: int, defaults: dict[str, str], problems: list[str]
) -> None:
    numbers = [3 + 2 * at for at in range(len(rows))]
    raw = RawBlock(numbers=numbers, cells=rows)
    columns = tuple(texts_of(column) for column in zip(*rows, strict=True))
    read = ColumnRows(rows=np.array(numbers, dtype=np.uint32), columns=columns)
    positions = {"customer_id": 0, "badge_meta_id": 2}
    known = Columns(header=("a", "b", "c", "d")[:header], positions=positions, defaults=defaults)
    told = protected_cells(texts_of(problems[: len(rows)]))
    lines = [original_lines(some, told, known).to_pylist() for some in (raw, read)]
    each = zip(numbers, rows, problems, strict=False)
    assert lines[0] == [csv_line(original_line(row, cells, text, known)) for row, cells, text in each]
    assert lines[0] == lines[1]
    for name in ("customer_id", "badge_meta_id", "owner_type"):
        one_by_one, at_once = (cells_as_read(some, name, known).to_pylist() for some in (raw, read))
        assert one_by_one == at_once
