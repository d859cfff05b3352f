"""Cuts the cells of a sheet into slices of whole rows, and looks at each before it is read.

The library that reads cells lays the used range of a sheet out in memory, reads an error as an empty
cell, and says nothing of hidden rows. So it is given some rows at a time, after their number and width
were counted, and errors come to it as the text that the spreadsheet shows.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Final

from batch_issuer.errors import InputRefused
from batch_issuer.intake.advice import SAVE_AS_CSV, SAVE_AS_XLSX
from batch_issuer.intake.shapes import NOT_CALCULATED
from batch_issuer.intake.workbooks.package import damaged

_PART: Final = 1 << 20
SLICE_BYTES: Final = 16 << 20
"""Bytes of a slice: with all that is made of them they take some ten times as much memory."""
_LARGEST_ROW: Final = 4
"""A slice may grow to so many times its size, if a single row fills it."""
_MAX_HEAD: Final = 4 << 20
_MAX_TAIL: Final = 16 << 20
_MAX_ROW: Final = 1_048_576
_MAX_CELLS: Final = 8_000_000
"""Cells of the range that a slice uses, empty ones counted: some 30 bytes each."""
_LETTERS: Final = 26

_OPENING: Final = re.compile(rb"<((?:[\w.-]+:)?)sheetData\b[^>]*?(/?)>")
_ROOT: Final = re.compile(rb"<(?:[\w.-]+:)?worksheet\b[^>]*>")
_NUMBER: Final = re.compile(rb"""\sr\s*=\s*["']([0-9]+)["']""")
_HIDDEN: Final = re.compile(rb"""\shidden\s*=\s*["'](?:1|true)["']""")
_TYPE: Final = re.compile(rb"""\st\s*=\s*["'][^"']*["']""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Some whole rows of a sheet, as a sheet of their own."""

    document: bytes
    hidden: frozenset[int]
    """The numbers of the hidden rows among them."""


@dataclass(slots=True, kw_only=True)
class Slicer:
    """Cuts one sheet; `merged` is known after the last slice."""

    name: str
    size: int = SLICE_BYTES
    merged: int = 0
    """How many areas of merged cells the sheet has."""

    def cut(self, file: IO[bytes]) -> Iterator[Slice]:
        """Yield all rows. Raises InputRefused for what can't be told apart or would take too much memory."""
        buffer, opening = self._head(file)
        root = _ROOT.search(buffer[: opening.start()])
        if root is None:
            raise InputRefused(damaged(self.name))
        prefix, is_empty = opening[1], bool(opening[2])
        tags = _Tags(prefix)
        head = root[0] + tags.data_start
        last, rest = 0, buffer[opening.end() :]
        while not is_empty:
            rows, rest, is_last = self._next_rows(file, rest, tags)
            found = _look_at(rows, tags, after=last, is_whole=is_last and not last, name=self.name)
            last = found.last
            document = head + _mend(rows, tags) + tags.data_end + tags.root_end
            yield Slice(document=document, hidden=found.hidden)
            if is_last:
                break
        self._read_tail(file, rest, tags)

    def _head(self, file: IO[bytes]) -> tuple[bytes, re.Match[bytes]]:
        buffer = b""
        while part := file.read(_PART):
            buffer += part
            opening = _OPENING.search(buffer)
            if opening:
                return buffer, opening
            if len(buffer) > _MAX_HEAD:
                break
        raise InputRefused(damaged(self.name))

    def _next_rows(self, file: IO[bytes], rest: bytes, tags: "_Tags") -> tuple[bytes, bytes, bool]:
        """Read on to the end of a row, or of all rows; return these rows, and what was read behind them."""
        buffer, seen = bytearray(rest), 0
        while True:
            end = buffer.find(tags.data_end, seen)
            if end >= 0:
                return bytes(buffer[:end]), bytes(buffer[end:]), True
            seen = max(0, len(buffer) - len(tags.data_end))
            if len(buffer) >= self.size:
                at = buffer.rfind(tags.row_end)
                if at >= 0:
                    at += len(tags.row_end)
                    return bytes(buffer[:at]), bytes(buffer[at:]), False
                if len(buffer) > self.size * _LARGEST_ROW:
                    raise InputRefused(f"{self.name} has a row that is too large; {SAVE_AS_CSV}")
            part = file.read(_PART)
            if not part:
                raise InputRefused(damaged(self.name))
            buffer += part

    def _read_tail(self, file: IO[bytes], rest: bytes, tags: "_Tags") -> None:
        """Read to the end, where damage would show, and count the merged areas on the way."""
        tail = bytearray(rest)
        while part := file.read(_PART):
            if len(tail) < _MAX_TAIL:
                tail += part
        self.merged = len(tags.merged.findall(tail))


class _Tags:
    """The tags of a sheet, whose names may carry a prefix."""

    def __init__(self, prefix: bytes) -> None:
        p = re.escape(prefix)
        self.row_end = b"</" + prefix + b"row>"
        self.data_start = b"<" + prefix + b"sheetData>"
        self.data_end = b"</" + prefix + b"sheetData>"
        self.root_end = b"</" + prefix + b"worksheet>"
        self.rows = re.compile(rb"<" + p + rb"row\b([^>]*)>")
        self.cell_start = re.compile(rb"<" + p + rb"c[\s/>]")
        self.places = re.compile(rb"<" + p + rb"""c\b[^>]*?\sr\s*=\s*["'](?:([A-Z]{1,3})([0-9]{1,7})["']|)""")
        self.errors = re.compile(rb"(<" + p + rb"""c\b[^>]*?\st\s*=\s*)(?:"e"|'e')""")
        formula = rb"<" + p + rb"f\b[^>]*(?:/>|>[^<]*</" + p + rb"f>)"
        value = rb"<" + p + rb"v\s*(?:/>|></" + p + rb"v>)"
        self.not_calculated = re.compile(
            rb"<" + p + rb"c\b([^>]*)>" + formula + rb"\s*(" + value + rb")?\s*</" + p + rb"c>"
        )
        self.just_above = re.compile(
            rb"(<"
            + p
            + rb"""c\b(?![^>]*\st\s*=\s*["'](?!n["']))[^>]*>(?:"""
            + formula
            + rb")?<"
            + p
            + rb"v>)9007199254740993<"
        )
        self.merged = re.compile(rb"<" + p + rb"mergeCell\b")
        self.formula_start = b"<" + prefix + b"f"
        self.text_cell = b'<%bc%b t="str"><%bv>%b</%bv></%bc>'
        self.prefix = prefix


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    last: int
    hidden: frozenset[int]


def _look_at(rows: bytes, tags: _Tags, *, after: int, is_whole: bool, name: str) -> _Found:
    """Count the rows and the width of a slice before it is laid out. Raises InputRefused."""
    numbers, hidden = _row_numbers(rows, tags, is_whole=is_whole, name=name)
    places = tags.places.findall(rows)
    columns = {letters for letters, _ in places}
    if b"" in columns:
        raise InputRefused(damaged(name))
    in_order = all(one < other for one, other in zip([after, *numbers], numbers, strict=False))
    if not in_order or (numbers and numbers[-1] > _MAX_ROW) or not {int(n) for _, n in places} <= {*numbers}:
        raise InputRefused(f"{name} has rows that are not in order; {SAVE_AS_XLSX}")
    width = max(map(_column_number, columns), default=0)
    cells = len(tags.cell_start.findall(rows))
    if cells > len(places):  # without places of their own they stand side by side
        width += max(len(tags.cell_start.findall(row)) for row in rows.split(tags.row_end))
    height = numbers[-1] - numbers[0] + 1 if numbers else 0
    if width * height > _MAX_CELLS:
        raise InputRefused(
            f"{name} uses {width:,} columns, most of them empty; delete the empty columns, or {SAVE_AS_CSV}"
        )
    return _Found(last=numbers[-1] if numbers else after, hidden=hidden)


def _row_numbers(rows: bytes, tags: _Tags, *, is_whole: bool, name: str) -> tuple[list[int], frozenset[int]]:
    numbers: list[int] = []
    hidden: list[int] = []
    for attributes in tags.rows.findall(rows):
        number = _NUMBER.search(attributes)
        if number is None and not is_whole:
            raise InputRefused(f"{name} was written in an unusual way; {SAVE_AS_XLSX}")
        numbers.append(int(number[1]) if number else (numbers[-1] + 1 if numbers else 1))
        if _HIDDEN.search(attributes):
            hidden.append(numbers[-1])
    return numbers, frozenset(hidden)


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * _LETTERS + letter - ord("A") + 1
    return number


def _mend(rows: bytes, tags: _Tags) -> bytes:
    """Let cells come through that would be read as empty, or as another number."""
    if b'"e"' in rows or b"'e'" in rows:
        rows = tags.errors.sub(rb'\1"str"', rows)
    if tags.formula_start in rows:
        rows = tags.not_calculated.sub(_named(tags), rows)
    if b">9007199254740993<" in rows:  # the one number above 2^53 that would be read as 2^53 itself
        rows = tags.just_above.sub(rb"\g<1>9007199254740994<", rows)
    return rows


def _named(tags: _Tags) -> Callable[[re.Match[bytes]], bytes]:
    """Make what names a formula without a value; the empty text is a value."""

    def name(found: re.Match[bytes]) -> bytes:
        attributes, value = found[1], found[2]
        if value is not None and re.search(rb"""\st\s*=\s*["']str["']""", attributes):
            return found[0]
        p = tags.prefix
        attributes = _TYPE.sub(b"", attributes)
        return tags.text_cell % (p, attributes, p, NOT_CALCULATED.encode(), p, p)

    return name
