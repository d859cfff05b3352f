"""A file that is read in parts gives the very rows, under the very numbers, that it gives as a whole."""

import pickle
import random
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from batch_issuer.errors import InputRefused, UsageError
from batch_issuer.intake import Limits, Sheet, Source, Span, open_source
from batch_issuer.intake.sheets import Block, ColumnBlock, SheetOptions
from batch_issuer.intake.text_sheet import TextSheet
from tests.fuzz.reader import change

from .sheets import BADGE, as_csv, options, write
from .test_any_sheet import FULL, TEXT_ROWS, Row
from .test_both_ways import TIDY
from .workbooks import save

LIMITS = Limits(max_cell_chars=150)


def cells_of(block: Block) -> dict[int, list[str]]:
    """The rows of a block under their numbers, without empty cells at their ends."""
    if isinstance(block, ColumnBlock):
        block = block.raw(np.arange(len(block)))
    cells = zip(block.numbers, block.cells, strict=True)
    return {number: list("\0".join(row).rstrip("\0").split("\0")) for number, row in cells}


def rows_of(sheets: Iterator[Sheet], *, as_columns: bool) -> tuple[dict[int, list[str]], str]:
    """All rows of some sheets, one behind the other, and the line that refuses the first that is refused."""
    rows: dict[int, list[str]] = {}
    try:
        for sheet in sheets:
            blocks = sheet.column_blocks(frozenset({1, 2})) if as_columns else sheet.blocks()
            for block in blocks:
                found = cells_of(block)
                assert not found.keys() & rows.keys()
                assert list(found) == sorted(found)
                rows |= found
    except (InputRefused, UsageError) as exc:
        return rows, str(exc)
    return rows, ""


def source_of(path: Path, *, columns_bytes: int = 100, **how: Any) -> Source:
    source = open_source(path, options(limits=LIMITS, **how))
    assert isinstance(source.sheet, TextSheet)
    return replace(source, sheet=replace(source.sheet, part_bytes=columns_bytes))


def agree(source: Source, part_bytes: int, *, any_refusal: bool = False) -> list[Span]:
    """Compare the parts with the whole, both ways of reading; return the parts.

    Where a file has several faults that refuse it, `any_refusal` may be told first.
    """
    spans = list(source.spans(part_bytes=part_bytes))
    assert all(pickle.loads(pickle.dumps(span)) == span for span in spans)  # noqa: S301 - our own
    assert all(one.end == other.begin for one, other in pairwise(spans))
    assert spans[0].begin == 0
    for as_columns in (False, True):
        parts = (source.within(span).sheet for span in spans)
        rows, refusal = rows_of(parts, as_columns=as_columns)
        expected, told = rows_of(iter([source.sheet]), as_columns=as_columns)
        assert refusal == told or (any_refusal and refusal and told)
        if refusal:  # the parts may give more rows before what refuses the file
            assert all(rows[row] == cells for row, cells in expected.items() if row in rows)
        else:
            assert rows == expected
    return spans


@given(
    sheet=TEXT_ROWS,
    delimiter=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(("\r\n", "\n", "\r")),
    encoding=st.sampled_from(("utf-8", "utf-8-sig", "utf-16")),
    start=st.sampled_from(("", "sep={}\n", '"sep={}"\r\n')),
    quote_all=st.booleans(),
    title=st.sampled_from(("", "note", 'a "note"', "two\nlines", "x|y;z,\t")),
    part_bytes=st.integers(1, 900),
)
@settings(max_examples=60)
def test_any_sheet_in_parts_is_the_whole_sheet(
    sheet: list[Row],
    delimiter: str,
    line_end: str,
    encoding: str,
    start: str,
    *,
    quote_all: bool,
    title: str,
    part_bytes: int,
) -> None:
    records = [[*FULL, title], *(row.cells for row in sheet)]
    text = as_csv(records, line_end=line_end, delimiter=delimiter, quote_all=quote_all)
    text = start.format(delimiter) + text
    with tempfile.TemporaryDirectory() as folder:
        agree(source_of(write(Path(folder), text.encode(encoding))), part_bytes)


PIECES = (
    '"',
    '""',
    ",",
    ";",
    "\n",
    "\r\n",
    "\r",
    "\r\r\n",
    "é",
    "\ufeff",
    "\u2028",
    "\0",
    "a",
    "1",
    " ",
    "x" * 160,
)


@given(
    text=st.lists(st.sampled_from(PIECES), max_size=60).map("".join),
    encoding=st.sampled_from(("utf-8", "utf-8-sig", "cp1252")),
    part_bytes=st.integers(1, 60),
    columns_bytes=st.integers(1, 60),
)
@example(text='"a\n"\n1,\ufeff"b\n', encoding="utf-8", part_bytes=1, columns_bytes=1)
@example(text='1\r"2\n"\r\n\r3', encoding="utf-8", part_bytes=2, columns_bytes=9)
@settings(max_examples=300)
def test_any_quotes_and_line_ends_are_cut_where_rows_end(
    text: str, encoding: str, part_bytes: int, columns_bytes: int
) -> None:
    content = f"customer,badge\r\n{text}".encode(encoding, "ignore")
    told = "windows-1252" if encoding == "cp1252" else "utf-8"
    how = SheetOptions(encoding=told, delimiter=",")
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), content)
        agree(source_of(path, how_written=how, columns_bytes=columns_bytes), part_bytes)


@given(
    content=st.lists(
        st.sampled_from((b'"', b",", b"\n", b"\r", b"\xff", b"\x81", b"\xc3", b"\xa9", b"\xe2\x82", b"a")),
        max_size=40,
    ).map(b"".join),
    encoding=st.sampled_from(("utf-8", "windows-1252")),
    part_bytes=st.integers(1, 60),
)
@settings(max_examples=150)
def test_any_bytes_are_read_or_refused_alike_in_parts(content: bytes, encoding: str, part_bytes: int) -> None:
    how = SheetOptions(encoding=encoding, delimiter=",")
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), b"customer,badge\n" + content)
        try:
            source = source_of(path, how_written=how)
        except InputRefused:
            assume(False)
        agree(source, part_bytes, any_refusal=True)


@given(seed=st.integers(0, 10**9), part_bytes=st.integers(1, 4_000))
@settings(max_examples=60)
def test_any_broken_text_is_read_or_refused_alike_in_parts(seed: int, part_bytes: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - it breaks files, no codes
    text = change(TIDY.encode(), chance)
    assume(len(text) < 10 * len(TIDY))  # larger ones only take longer
    with tempfile.TemporaryDirectory() as folder:
        try:
            source = source_of(write(Path(folder), text))
        except InputRefused:
            assume(False)
        agree(source, part_bytes, any_refusal=True)


CORNERS = [
    TIDY,
    TIDY.rstrip("\n"),
    TIDY.replace("\n", "\r\n"),
    TIDY.replace("\n", "\r"),
    TIDY.replace("note", "two\nlines", 1).replace(",two\nlines", ',"two\nlines"', 1),
    f"customer,badge\n\n\n7,{BADGE}\n\n",
    f'customer,badge,n\n7,{BADGE},5" wide\n8,{BADGE},"open\n9,{BADGE},\n' + f"9,{BADGE},\n" * 40,
    f'customer,badge,n\n7,{BADGE},"shut"late\n' + f"9,{BADGE},\n" * 40,
    f'customer,badge,n\n7,{BADGE},"' + "x" * 200_000 + f'"\n9,{BADGE},\n',
    f"customer,badge,n\n7,{BADGE},\n8,{BADGE}," + "x" * 151 + f"\n9,{BADGE},\n",
    f'customer,badge,n\n7,{BADGE},"a\n8,b\n"\n\ufeff"9,{BADGE},"\n',
]


@pytest.mark.parametrize("text", CORNERS)
@pytest.mark.parametrize("part_bytes", [1, 70, 10**6])
def test_corner_cases_are_read_alike_in_parts(tmp_path: Path, text: str, part_bytes: int) -> None:
    spans = agree(source_of(write(tmp_path, text)), part_bytes)
    assert spans[-1].end == len(text.encode())
    assert len(spans) == 1 or part_bytes < len(text)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252"])
@pytest.mark.parametrize("part_bytes", [1, 70])
def test_a_byte_that_is_no_text_is_told_with_the_row_of_the_whole_file(
    tmp_path: Path, encoding: str, part_bytes: int
) -> None:
    stray = {"utf-8-sig": b"\xc3\xa9\xff", "cp1252": b"\xe9\x81"}[encoding]
    row = f"7,{BADGE},".encode()
    content = b"customer,badge,note\n" + (row + b"n\n") * 300 + row + stray + b"\n" + (row + b"\n") * 300
    source = source_of(write(tmp_path, content), columns_bytes=4_000)

    agree(source, part_bytes, any_refusal=True)
    spans = list(source.spans(part_bytes=part_bytes))
    _, told = rows_of((source.within(span).sheet for span in spans), as_columns=False)
    assert "look at row 302" in told


def test_each_part_holds_about_as_much_as_was_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, f"customer,badge,note\n{TIDY.partition(chr(10))[2] * 2_000}")
    spans = list(source_of(path, columns_bytes=10**6).spans(part_bytes=400_000))
    assert len(spans) > 4
    assert sum(span.size for span in spans) == path.stat().st_size
    assert all(400_000 <= span.size < 700_000 for span in spans[:-1])


@pytest.mark.parametrize("as_columns", [True, False])
def test_an_altered_part_is_no_part_of_the_input(tmp_path: Path, *, as_columns: bool) -> None:
    path = write(tmp_path, TIDY)
    source = source_of(path)
    spans = list(source.spans(part_bytes=200))
    assert len(spans) > 3

    def read(span: Span) -> str:
        return rows_of(iter([source.within(span).sheet]), as_columns=as_columns)[1]

    for altered in (TIDY.replace("2026", "2027", 1), TIDY.replace(",2026", ',"026', 1), TIDY[:50]):
        path.write_text(altered)
        assert read(spans[0]) == f"{path} is not the input that its parts were cut from; restore it"
        assert bool(read(spans[-1])) == (len(altered) < len(TIDY))


def test_a_workbook_is_one_part_and_is_looked_at_too(tmp_path: Path) -> None:
    path = save(tmp_path / "in.xlsx", [["customer", "badge"], [7, BADGE], [], [8, BADGE]])
    source = open_source(path, options())

    (span,) = source.spans(part_bytes=1)
    (block,) = source.within(span).blocks()
    assert block.rows.tolist() == [2, 4]

    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(UsageError, match="is not the input that its parts were cut from"):
        list(source.within(span).blocks())
