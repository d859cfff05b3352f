"""Any sheet of right and wrong cells, in any form: each row is read once, with exactly its own problems."""

import tempfile
from collections.abc import Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from .sheets import BADGE, FULL_HEADER, Checked, as_csv, check, write
from .workbooks import save

FULL = FULL_HEADER.split(",")


class Cell(NamedTuple):
    """A cell, and the rule that it breaks."""

    value: Any
    rule: str = ""


CUSTOMERS = (
    *(Cell(text) for text in ("7", "'8", " 9 ", "10.0", "\u00a011\u00a0", "9223372036854775807")),
    Cell("", "missing"),
    Cell("1.13461E+08", "digits_lost"),
    Cell("113,460,811", "separators"),
    Cell("0012345", "leading_zero"),
    Cell("+5", "sign"),
    Cell("-5", "sign"),
    Cell("12.5", "fraction"),
    Cell("0", "out_of_range"),
    Cell("9223372036854775808", "out_of_range"),
    Cell("\u0663", "non_ascii_digits"),
    Cell("1\u200b2", "control_character"),
    Cell("Ann; or|Bob\tor\nEve", "control_character"),
    Cell('say "hi"', "not_a_number"),
    Cell("=1+1", "not_a_number"),
    Cell("#N/A", "not_a_number"),
)
BADGES = (
    Cell(BADGE),
    Cell(BADGE.upper()),
    Cell("", "missing"),
    Cell("abc", "pattern"),
    Cell("#REF!", "pattern"),
)
OWNERS = (
    (Cell(""), Cell("")),
    (Cell("Loyalty"), Cell("gold")),
    (Cell("journeys"), Cell("a,b;c|d")),
    (Cell("Loyalty", "owner_without_reference"), Cell("")),
    (Cell(""), Cell("gold", "reference_without_owner")),
    (Cell("Loyalti", "unknown_owner_type"), Cell("gold")),
    (Cell("Loyalty"), Cell("r" * 129, "too_long")),
    (Cell("Loyalty"), Cell("#VALUE!", "missing")),
)
DATES = (Cell(""), Cell("2026-01-31"), Cell("2026-01-31T08:15:00+01:00"), Cell("3/8/26", "not_a_date"))

TYPED_CUSTOMERS = (
    *(Cell(value) for value in (7, 2**53, 10.0)),
    Cell(2.0**60, "digits_lost"),
    Cell(12.5, "fraction"),
    Cell(-5, "sign"),
    Cell(0, "out_of_range"),
    Cell(True, "not_a_number"),
    Cell(date(2026, 1, 31), "not_a_number"),
    Cell(datetime(2026, 1, 31, 8, 15), "not_a_number"),  # noqa: DTZ001 - a cell has no zone
    Cell(time(8, 15), "not_a_number"),
)
TYPED_BADGES = (Cell(12345, "pattern"), Cell(1e23, "digits_lost"), Cell(date(2026, 1, 31), "pattern"))
TYPED_OWNERS = (
    (Cell("Loyalty"), Cell(12345)),
    (Cell("Loyalty"), Cell(date(2026, 3, 8), "digits_lost")),
    (Cell(7, "unknown_owner_type"), Cell("gold")),
)
TYPED_DATES = (
    *(Cell(value) for value in (date(2026, 1, 31), datetime(2026, 1, 31, 8, 15), 20260131)),  # noqa: DTZ001
    Cell(46053, "not_a_date"),
    Cell(time(8, 15), "not_a_date"),
)


class Row(NamedTuple):
    """The cells of a row, and the rules that it breaks in the order of its columns."""

    cells: list[Any]
    rules: list[str]


def a_row(customer: Cell, badge: Cell, owner: tuple[Cell, Cell], day: Cell, surplus: str) -> Row:
    cells = (customer, badge, *owner, day)
    values = [cell.value for cell in cells]
    if not any(str(value).strip() for value in [*values, surplus]):
        return Row(values, [])
    rules = [cell.rule for cell in cells if cell.rule]
    return Row([*values, surplus], ["surplus_fields", *rules]) if surplus else Row(values, rules)


BLANK = st.sampled_from(([], [""], ["", " ", "\u00a0"], [""] * 9)).map(lambda cells: Row(cells, []))


def rows(
    customers: Sequence[Cell],
    badges: Sequence[Cell],
    owners: Sequence[tuple[Cell, Cell]],
    dates: Sequence[Cell],
) -> st.SearchStrategy[list[Row]]:
    filled = st.builds(
        a_row,
        st.sampled_from(customers),
        st.sampled_from(badges),
        st.sampled_from(owners),
        st.sampled_from(dates),
        st.sampled_from(("", "", "", "more")),
    )
    first = st.just(a_row(Cell("7"), Cell(BADGE), OWNERS[0], Cell(""), ""))
    return st.tuples(first, st.lists(filled | filled | filled | BLANK, max_size=12)).map(
        lambda drawn: [drawn[0], *drawn[1]]
    )


TEXT_ROWS = rows(CUSTOMERS, BADGES, OWNERS, DATES)
TYPED_ROWS = rows(
    CUSTOMERS + TYPED_CUSTOMERS, BADGES + TYPED_BADGES, OWNERS + TYPED_OWNERS, DATES + TYPED_DATES
)


def agree(checked: Checked, sheet: list[Row]) -> None:
    """Compare what was read with what was written, row by row."""
    numbered = {
        number: row for number, row in enumerate(sheet, 2) if any(map(str.strip, map(str, row.cells)))
    }
    assert checked.rules == {number: row.rules for number, row in numbered.items() if row.rules}
    assert checked.valid.keys() == {number for number, row in numbered.items() if not row.rules}


@given(
    sheet=TEXT_ROWS,
    delimiter=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(("\r\n", "\n", "\r")),
    encoding=st.sampled_from(("utf-8", "utf-8-sig", "utf-16")),
    has_separator_line=st.booleans(),
)
@settings(max_examples=100)
def test_any_text_file_gives_each_row_its_own_problems(
    sheet: list[Row], delimiter: str, line_end: str, encoding: str, *, has_separator_line: bool
) -> None:
    records = [FULL, *(row.cells for row in sheet)]
    text = as_csv(records, line_end=line_end, delimiter=delimiter)
    if has_separator_line:
        text = f"sep={delimiter}{line_end}{text}"
    with tempfile.TemporaryDirectory() as folder:
        agree(check(write(Path(folder), text.encode(encoding))), sheet)


@given(sheet=TYPED_ROWS)
@settings(max_examples=100)
def test_any_workbook_gives_each_row_its_own_problems(sheet: list[Row]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        agree(check(save(Path(folder) / "in.xlsx", [FULL, *(row.cells for row in sheet)])), sheet)
