"""Rows that were read as columns come back as those that were read cell by cell."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from batch_issuer.intake import RawBlock
from batch_issuer.intake.columns import Columns
from batch_issuer.reports.cells import texts_of
from batch_issuer.reports.originals import ColumnRows, cells_as_read, original_lines

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
    lines = [original_lines(some, problems[: len(rows)], known) for some in (raw, read)]
    assert lines[0].to_pylist() == lines[1].to_pylist()
    for name in ("customer_id", "badge_meta_id", "owner_type"):
        assert cells_as_read(raw, name, known) == cells_as_read(read, name, known)
