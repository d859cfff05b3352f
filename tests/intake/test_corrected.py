"""A copy with corrected cells keeps every row under its number, and makes no cell right by itself."""

import csv
import io
import tempfile
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from batch_issuer.errors import InputRefused
from batch_issuer.intake import open_source
from batch_issuer.intake.corrected import WRITTEN_AS, write_corrected
from tests.intake.sheets import BADGE, FULL_HEADER, check, options, write
from tests.intake.workbooks import save

Problem = tuple[str, str, str]
PAIRED = {"owner_without_reference", "reference_without_owner"}
TITLES = FULL_HEADER.split(",")
CUSTOMERS = st.sampled_from(
    [
        *(
            "700000001",
            "0012345",
            "1.13461E+08",
            "12,5",
            "",
            " 7 ",
            "'8",
            "#N/A",
            "=1",
            "7.0",
            "\t9",
            "x\ny",
            "٣",
        )
    ]
)
BADGES = st.sampled_from([BADGE, BADGE.upper(), "", "nonsense", "#REF!", "5E+22", f" {BADGE}"])
OTHERS = st.sampled_from(
    [
        *(
            "",
            "Loyalty",
            "loyalty",
            "gold",
            '"quoted"',
            "a,b;c\td|e",
            "line\r\nbreak",
            "2026-03-08",
            "31.1.",
            "\r",
        )
    ]
)
TEXTS = st.tuples(CUSTOMERS, BADGES, OTHERS, OTHERS, OTHERS, *[st.sampled_from(["", "", "", "more"])] * 2)
MISLEADING = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([7, 2**53, 12.5, -4, 1.5e20, 2.0**60, 0.1, 9e15 + 1]),
    st.dates(date(1990, 1, 1), date(2090, 1, 1)),
    st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)),  # noqa: DTZ001 - a cell has no zone
    st.sampled_from([time(8, 15), date(2026, 3, 8)]),
)
CELLS = st.one_of(MISLEADING, CUSTOMERS, BADGES, OTHERS)
CORRECTIONS = st.dictionaries(
    st.integers(2, 9),
    st.dictionaries(st.integers(0, 6), st.one_of(CUSTOMERS, BADGES, OTHERS), max_size=3),
    max_size=4,
)


def as_text(cell: Any) -> Any:
    return cell.replace(microsecond=0) if isinstance(cell, datetime) else cell


def findings(path: Path, how: Any) -> tuple[dict[int, Any], dict[int, list[Problem]]] | None:
    try:
        checked = check(path, how)
    except InputRefused:
        return None
    problems: dict[int, list[Problem]] = {}
    for one in checked.problems:
        problems.setdefault(one.row, []).append((one.column, one.rule.value, one.hint))
    return checked.valid, {row: told_once(found) for row, found in problems.items()}


def assert_same_but_for(corrected: dict[int, dict[int, str]], original: Path, how: Any, folder: Path) -> None:
    before = findings(original, how)
    copy = folder / "copy.csv"
    write_corrected(open_source(original, how), copy, corrected)
    after = findings(copy, options(how_written=WRITTEN_AS))
    (valid, problems), (valid_now, problems_now) = before or ({}, {}), after or ({}, {})
    for then, now in ((valid, valid_now), (problems, {row: told_once(p) for row, p in problems_now.items()})):
        untouched = {row: found for row, found in then.items() if row not in corrected}
        assert untouched == {row: found for row, found in now.items() if row not in corrected}


def told_once(problems: list[Problem]) -> list[Problem]:
    """Leave out what is told of a pair whose cell is refused anyway: of a workbook it is told once."""
    wrong = [column for column, rule, _ in problems if rule not in PAIRED]
    return [one for one in problems if one[1] not in PAIRED or one[0] not in wrong]


@settings(max_examples=40)
@given(st.lists(st.lists(CELLS, min_size=5, max_size=7), min_size=1, max_size=8), CORRECTIONS)
@example([[7, BADGE, "Loyalty", date(2026, 3, 8), None]], {3: {0: "7"}})
@example([[7, BADGE, "Loyalty", 1.5e20, None]], {})
@example([[7, 1.5e23, None, None, None], [date(2026, 3, 8), BADGE, None, None, None]], {})
def test_rows_of_a_workbook_that_were_not_corrected_are_found_as_before(
    rows: list[list[Any]], corrected: dict[int, dict[int, str]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        book = save(Path(name) / "in.xlsx", [TITLES, *([as_text(cell) for cell in row] for row in rows)])
        assert_same_but_for(corrected, book, options(), Path(name))


@given(
    st.lists(st.one_of(TEXTS, st.just(("",))), min_size=1, max_size=8),
    CORRECTIONS,
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["utf-8", "utf-16"]),
)
def test_rows_of_a_text_file_that_were_not_corrected_are_found_as_before(
    rows: list[tuple[str, ...]], corrected: dict[int, dict[int, str]], delimiter: str, encoding: str
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows([TITLES, *rows])
    with tempfile.TemporaryDirectory() as name:
        original = write(Path(name), text.getvalue().encode(encoding))
        how = options(how_written=type(WRITTEN_AS)(encoding=encoding, delimiter=delimiter))
        assert_same_but_for(corrected, original, how, Path(name))


def test_the_corrected_cell_itself_counts(tmp_path: Path) -> None:
    original = write(tmp_path, f"{FULL_HEADER}\n0012345,{BADGE}\n\n\n7,{BADGE}\n")
    copy = tmp_path / "copy.csv"
    write_corrected(open_source(original, options()), copy, {2: {0: "12345"}, 5: {2: "Loyalty", 3: "gold"}})
    found = check(copy, options(how_written=WRITTEN_AS))
    assert found.customers == {2: 12345, 5: 7}
    assert found.valid[5]["reference_id"] == "gold"


def test_a_pattern_for_badges_that_takes_anything_lets_no_date_in(tmp_path: Path) -> None:
    how = options(badge_pattern=".*")
    book = save(tmp_path / "in.xlsx", [TITLES, [7, date(2026, 3, 8)], [8, 1.5e22]])
    copy = tmp_path / "copy.csv"
    write_corrected(open_source(book, how), copy, {})
    found = check(copy, options(badge_pattern=".*", how_written=WRITTEN_AS))
    assert found.rules == check(book, how).rules == {2: ["pattern"], 3: ["digits_lost"]}


@pytest.mark.parametrize("first", ["sep=;", "SEP=,x", "sep=|"])
def test_a_title_is_not_taken_for_a_separator(tmp_path: Path, first: str) -> None:
    book = save(tmp_path / "in.xlsx", [[first, *TITLES], ["n", 7, BADGE]])
    copy = tmp_path / "copy.csv"
    write_corrected(open_source(book, options()), copy, {})
    assert check(copy, options(how_written=WRITTEN_AS)).customers == {2: 7}


class _Stop(Exception):
    """Somebody wants no copy any more."""


def test_a_stop_is_heard_while_the_copy_is_written(tmp_path: Path) -> None:
    original = write(tmp_path, f"{FULL_HEADER}\n7,{BADGE}\n")

    def stop() -> None:
        raise _Stop

    with pytest.raises(_Stop):
        write_corrected(open_source(original, options()), tmp_path / "copy.csv", {}, on_block=stop)
