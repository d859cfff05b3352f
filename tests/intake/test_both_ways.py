"""Rows taken all at once as columns are the very rows that are read cell by cell."""

import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from batch_issuer.errors import InputRefused, UsageError
from batch_issuer.intake import Limits, RawBlock, check_rows, open_source
from batch_issuer.intake.checking import Checker
from batch_issuer.intake.sheets import ColumnBlock
from batch_issuer.intake.text_sheet import TextSheet
from tests.fuzz.reader import change

from .sheets import BADGE, FULL_HEADER, as_csv, options, write
from .test_any_sheet import FULL, TEXT_ROWS, Row

LIMITS = Limits(max_rows=10**9, max_cell_chars=150)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellByCell(TextSheet):
    """A sheet that knows the long way only."""

    def column_blocks(self, encoded: frozenset[int]) -> Iterator[RawBlock]:  # noqa: ARG002 - a promise of sheets
        return self.blocks()


def told(path: Path, *, part_bytes: int | None, **how: Any) -> Any:
    """All that one way says of a file, rows in order, or the line that refuses it."""
    try:
        source = open_source(path, options(**how))
        sheet = source.sheet
        assert isinstance(sheet, TextSheet)
        way = (
            CellByCell(path=path, name=sheet.name, dialect=sheet.dialect, limits=sheet.limits)
            if part_bytes is None
            else replace(sheet, part_bytes=part_bytes)
        )
        blocks = list(check_rows(replace(source, sheet=way)))
    except (InputRefused, UsageError) as exc:
        return str(exc)
    keys = blocks[-1].keys
    repairs: Counter[str] = Counter()
    for block in blocks:
        repairs += block.repairs
    raw = {
        number: [cell for cell in cells if cell.strip()]
        for block in blocks
        for number, cells in zip(block.raw.numbers, block.raw.cells, strict=True)
    }
    problems = [problem for block in blocks for problem in block.problems]
    return {
        "rows": [row for block in blocks for row in block.rows.tolist()],
        "customers": [customer for block in blocks for customer in block.customers.tolist()],
        "sent": [keys[code] for block in blocks for code in block.codes.tolist()],
        "keys": list(keys),
        "total": sum(block.total for block in blocks),
        "problems": problems,
        "rejects": {problem.row: raw[problem.row] for problem in problems},
        "repairs": repairs,
        "spoiled": frozenset().union(*(block.spoiled for block in blocks)),
    }


def agree(path: Path, part_bytes: int, **how: Any) -> None:
    assert told(path, part_bytes=part_bytes, **how) == told(path, part_bytes=None, **how)


def agree_or_refuse(path: Path, part_bytes: int, **how: Any) -> None:
    """Compare; where a file has several faults that refuse it, either may be told first."""
    either = told(path, part_bytes=part_bytes, **how), told(path, part_bytes=None, **how)
    assert either[0] == either[1] or all(isinstance(one, str) for one in either)


@given(
    sheet=TEXT_ROWS,
    delimiter=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(("\r\n", "\n", "\r")),
    encoding=st.sampled_from(("utf-8", "utf-8-sig", "utf-16")),
    quote_all=st.booleans(),
    title=st.sampled_from(("", "note", 'a "note"', "two\nlines", "x|y;z,\t")),
    part_bytes=st.integers(30, 900),
)
@settings(max_examples=40)
def test_any_sheet_is_read_alike_both_ways(
    sheet: list[Row],
    delimiter: str,
    line_end: str,
    encoding: str,
    *,
    quote_all: bool,
    title: str,
    part_bytes: int,
) -> None:
    records = [[*FULL, title], *(row.cells for row in sheet)]
    text = as_csv(records, line_end=line_end, delimiter=delimiter, quote_all=quote_all)
    with tempfile.TemporaryDirectory() as folder:
        agree(write(Path(folder), text.encode(encoding)), part_bytes, limits=LIMITS)


TIDY = f"{FULL_HEADER},note\n" + "".join(
    f'{number},{BADGE[number % 3 :]}{"0" * (number % 3)},Loyalty,g{number % 5},,"a, ""{number}"\n'
    if number % 11 == 0
    else f"{number},{BADGE},,,2026-01-3{number % 2},{number}\n"
    for number in range(1, 40)
)


@given(seed=st.integers(0, 10**9), part_bytes=st.integers(200, 4_000))
@settings(max_examples=50)
def test_any_broken_text_is_read_or_refused_alike_both_ways(seed: int, part_bytes: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - it breaks files, no codes
    text = change(TIDY.encode(), chance)
    assume(len(text) < 10 * len(TIDY))  # larger ones only take longer
    with tempfile.TemporaryDirectory() as folder:
        agree_or_refuse(write(Path(folder), text), part_bytes, limits=LIMITS)


@pytest.mark.parametrize(
    "text",
    [
        TIDY,
        TIDY.rstrip("\n"),
        TIDY.replace("\n", "\r\n"),
        TIDY.replace(",note\n", "\n", 1),
        f"{FULL_HEADER}\n",
        f"{FULL_HEADER},,\n" + f"1,{BADGE},,,,,\n" * 3,
        f"badge,customer\n{BADGE},1\n{BADGE},0x1F\n{BADGE},007\n{BADGE},-5\n{BADGE},+5\n{BADGE}, 6\n",
        f"badge,customer\n{BADGE},{2**63 - 1}\n{BADGE},{2**63}\n{BADGE},{10**17}\n",
        f"customer\n1\n\n2\n{BADGE}\n",
        f'customer,badge\n"1","{BADGE}"\n1,"{BADGE}"x\n2,{BADGE}"\n',
        f'customer,badge,n\n1,{BADGE},"two\nlines"\n2,{BADGE},"more\r\nlines"\n3,{BADGE},"open\n',
        f"customer,badge\n1,{BADGE}\n\n\n2,{BADGE}\n,\n3,{BADGE}\n",
        TIDY.replace("reference_id", '"reference\nid"', 1),
        TIDY.replace("reference_id", 're"ference_id', 1),
        TIDY.replace("note", '"a ""note"""', 1),
        f"customer,badge\n\ufeff1,{BADGE}\n2,{BADGE}\n",
    ],
)
@pytest.mark.parametrize("part_bytes", [1, 40, 10**6])
def test_corner_cases_are_read_alike_both_ways(tmp_path: Path, text: str, part_bytes: int) -> None:
    path = write(tmp_path, text)
    agree(path, part_bytes)
    agree(path, part_bytes, defaults={"badge_meta_id": BADGE, "issue_event_date": "2026-01-31"})


@pytest.mark.parametrize("part_bytes", [1, 40, 10**6])
def test_too_many_rows_are_refused_alike_both_ways(tmp_path: Path, part_bytes: int) -> None:
    path = write(tmp_path, TIDY)

    agree(path, part_bytes, limits=Limits(max_rows=39))
    agree(path, part_bytes, limits=Limits(max_rows=38))
    assert "more than 38 data rows" in told(path, part_bytes=part_bytes, limits=Limits(max_rows=38))


def test_a_tidy_file_is_read_as_columns_and_only_its_odd_part_cell_by_cell(tmp_path: Path) -> None:
    rows = "".join(f"{number},{BADGE},\n" for number in range(1, 3_000))
    odd = f'5,{BADGE},"a ""quote"""\n'
    path = write(tmp_path, f"customer,badge,note\n{rows}{odd}{rows}")
    sheet = open_source(path, options()).sheet
    assert isinstance(sheet, TextSheet)

    blocks = list(replace(sheet, part_bytes=20_000).column_blocks(frozenset({1})))

    sizes = Counter[type]()
    for block in blocks:
        sizes[type(block)] += len(block) if isinstance(block, ColumnBlock) else len(block.numbers)
    assert sizes.total() == 5_999
    assert 0 < sizes[RawBlock] < 1_200


def test_combinations_that_were_forgotten_are_met_anew(tmp_path: Path) -> None:
    path = write(tmp_path, TIDY.replace("Loyalty", "Loyalti", 1))
    source = open_source(path, options())
    assert isinstance(source.sheet, TextSheet)
    blocks = list(replace(source, sheet=replace(source.sheet, part_bytes=100)).blocks())

    def checked(most_remembered: int) -> Any:
        checker = Checker(source, most_remembered=most_remembered)
        found = [checker.check(block) for block in blocks]
        keys = found[-1].keys
        problems = [problem for one in found for problem in one.problems]
        return list(keys), problems, [keys[code] for one in found for code in one.codes.tolist()]

    assert len(blocks) > 3
    assert checked(0) == checked(1) == checked(10**6)
