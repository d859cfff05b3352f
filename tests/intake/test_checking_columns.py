"""Columns that are checked at once have the very problems that their cells have one by one."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from batch_issuer.intake.columns import COLUMNS

from .cell_by_cell import problems_of, sent_for
from .sheets import BADGE, as_csv, check, write
from .test_cells import BAD_IDS, GOOD_IDS, REPAIRED_IDS

PIECES = st.sampled_from(
    [
        *"0123456789.,'+-eE_/ #!?N/Aax\t\n\x00\x1c\x7f\x85",
        *"\u00a0\u2009\u202f\u2028\u2212\u2013\u200b\u00ad\ufeff\u0663\u00b2\u4e03\u2167\ud7a3",
        *("113", "007", ",234", ".0", "E+08", "#REF!", "#NOT CALCULATED", "9223372036854775807"),
    ]
)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ANY_CELL = st.lists(PIECES, max_size=7).map("".join) | ANY_TEXT
IDS = st.sampled_from([*GOOD_IDS, *(cell for cell, *_ in (*REPAIRED_IDS, *BAD_IDS))])
ROWS = st.lists(
    st.tuples(
        IDS | ANY_CELL,
        st.sampled_from([BADGE, f" {BADGE.upper()}", "", "abc", "1.23457E+23", "#REF!"]) | ANY_CELL,
        st.sampled_from(["", "Loyalty", "JOURNEYS ", "Loyalti"]) | ANY_CELL,
        st.sampled_from(["", "gold", "r" * 128, "r" * 129, "#VALUE!"]) | ANY_CELL,
        st.sampled_from(["", "2026-01-31", "2026-01-31T08:15:00+01:00", "3/8/26"]) | ANY_CELL,
    ),
    min_size=1,
    max_size=15,
)


@given(ROWS)
@settings(max_examples=200)
def test_each_row_has_the_problems_of_its_cells_and_else_is_sent_as_they_are(
    rows: list[tuple[str, ...]],
) -> None:
    filled = {number: row for number, row in enumerate(rows, 2) if "".join(row).strip()}
    sent = {number: sent_for(dict(zip(COLUMNS, row, strict=True))) for number, row in filled.items()}
    expected = {number: problems_of(cells) for number, cells in sent.items()}
    valid = {number: cells for number, cells in sent.items() if not expected[number]}
    with tempfile.TemporaryDirectory() as folder:
        # the last row keeps the file from being refused for having no rows
        checked = check(
            write(Path(folder), as_csv([COLUMNS, *rows, ("7", BADGE, "", "", "")], quote_all=True))
        )

    assert [(one.row, one.column, one.value, one.rule) for one in checked.problems] == [
        (number, *problem) for number, problems in expected.items() for problem in problems
    ]
    del checked.valid[len(rows) + 2]
    assert checked.valid == {
        number: {**cells, "customer_id": int(cells["customer_id"])} for number, cells in valid.items()
    }
