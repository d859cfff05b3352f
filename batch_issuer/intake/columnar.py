"""Reads separated text as Arrow columns where it is plain, and cell by cell where it is not, with one result.

Plain is what both readers can't but read alike: quotes only around whole cells, as many cells in each line,
no blank line. A part of the file in which anything else stands takes the long way.
"""

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from batch_issuer.intake.blocks import Record, gather
from batch_issuer.intake.plain_text import NEWLINE, QUOTE, are_around_cells, has_lone_return
from batch_issuer.intake.sheets import Block, ColumnBlock, Limits, RawBlock


@dataclass(slots=True, kw_only=True)
class ColumnReader:
    """Turns the parts of one file into blocks; the header is left out."""

    name: str
    delimiter: str
    limits: Limits
    encoded: frozenset[int]
    """The places of columns whose values repeat: they come dictionary-encoded."""
    number: int = 0
    """The number of the row that was read last: 0 before the header."""

    def read(self, parts: Iterator[bytes]) -> Iterator[Block]:
        """Yield the data rows in input order; the part behind the present one is parsed meanwhile.

        Raises csv.Error and UnicodeDecodeError where rows can't be told apart, right behind the last that
        could, and InputRefused where a cell is too large.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="parse") as parser, suppress(StopIteration):
            ahead = _Ahead(self._without_header(parts), parser, self._parse)
            while True:
                part, table = ahead.take()
                if table is None or not self.number:  # a header that is no plain line is still in it
                    yield from self._read_slowly(part, ahead)
                else:
                    yield ColumnBlock(first=self.number + 1, table=table)
                    self.number += table.num_rows

    def _without_header(self, parts: Iterator[bytes]) -> Iterator[bytes]:
        """Cut the header off where it is a plain line; else the long way leaves it out."""
        if self.number:
            yield from parts
            return
        first = next(parts, b"")
        end = first.find(b"\n") + 1
        if end and _count_plain_rows(first[:end], self.delimiter) == 1:
            self.number, first = 1, first[end:]
        if first:
            yield first
        yield from parts

    def _parse(self, part: bytes) -> pa.Table | None:
        """Read a part as columns, or return None where it is not plain."""
        rows = _count_plain_rows(part, self.delimiter)
        if rows is None:
            return None
        first_line, _, _ = part.partition(b"\n")
        width = len(next(csv.reader([first_line.decode("utf-8", "replace")], delimiter=self.delimiter), []))
        try:
            table = pacsv.read_csv(
                pa.BufferReader(part),
                read_options=pacsv.ReadOptions(
                    column_names=[str(at) for at in range(width)], block_size=len(part) + 1, use_threads=False
                ),
                parse_options=pacsv.ParseOptions(
                    delimiter=self.delimiter,
                    quote_char='"' if b'"' in part else False,
                    newlines_in_values=b'"' in part,
                ),
                convert_options=self._conversion(width),
            )
        except pa.ArrowInvalid:  # ragged, or no UTF-8
            return None
        return table if table.num_rows == rows and not self._is_too_large(table) else None

    def _conversion(self, width: int) -> pacsv.ConvertOptions:
        dictionary = pa.dictionary(pa.int32(), pa.string())
        types = {str(at): dictionary if at in self.encoded else pa.string() for at in range(width)}
        return pacsv.ConvertOptions(column_types=types, strings_can_be_null=False)

    def _is_too_large(self, table: pa.Table) -> bool:
        for column in table.columns:
            cells = column.chunk(0)
            texts = cells.dictionary if pa.types.is_dictionary(cells.type) else cells
            longest = pc.max(pc.binary_length(texts)).as_py()
            if longest is not None and longest > self.limits.max_cell_chars:
                return True
        return False

    def _read_slowly(self, part: bytes, ahead: "_Ahead") -> Iterator[RawBlock]:
        """Read a part cell by cell, and of the parts behind it what a cell of it reaches into."""
        feed = _Feed(part, ahead)
        reader = csv.reader(feed, delimiter=self.delimiter, strict=True)

        def records() -> Iterator[Record]:
            while not feed.is_used_up:
                record = next(reader, None)
                if record is None:
                    return
                self.number += 1
                if self.number > 1:
                    yield Record(self.number, record)

        yield from gather(records(), self.limits, name=self.name)


class _Ahead:
    """Parts in their order, each with its table or None; while one is used the next is parsed."""

    def __init__(
        self, parts: Iterator[bytes], parser: Executor, parse: Callable[[bytes], pa.Table | None]
    ) -> None:
        self._parts, self._parser, self._parse = parts, parser, parse
        self._next = self._begin()

    def take(self) -> tuple[bytes, pa.Table | None]:
        """Return the next part. Raises StopIteration behind the last, and what reading it raises."""
        if isinstance(self._next, Exception):
            raise self._next
        part, parsed = self._next
        table = parsed.result()
        self._next = self._begin()
        return part, table

    def _begin(self) -> tuple[bytes, Future[pa.Table | None]] | Exception:
        try:
            part = next(self._parts)
        except (StopIteration, OSError, UnicodeDecodeError) as exc:  # raised when its turn comes
            return exc
        return part, self._parser.submit(self._parse, part)


class _Feed:
    """Gives the csv module the lines of a part, and those of the next one only where a cell goes on there."""

    def __init__(self, part: bytes, ahead: _Ahead) -> None:
        self._ahead = ahead
        self._load(part)

    def _load(self, part: bytes) -> None:
        self._lines = io.StringIO(part.decode(), newline="")
        self._size = len(self._lines.getvalue())

    @property
    def is_used_up(self) -> bool:
        return self._lines.tell() >= self._size

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        line = self._lines.readline()
        if not line:
            self._load(self._ahead.take()[0])
            line = self._lines.readline()
        return line


def _count_plain_rows(part: bytes, delimiter: str) -> int | None:
    """Count the rows of a part in which quotes stand only around whole cells; None where they do not."""
    if b"\0" in part or part.startswith(codecs.BOM_UTF8):
        return None  # Arrow would take a mark off here, too, where it is part of a cell
    content = np.frombuffer(part, dtype=np.uint8)
    if b"\r" in part and has_lone_return(content):
        return None
    if b'"' not in part:
        return int(np.count_nonzero(content == NEWLINE)) + (not part.endswith(b"\n"))
    quotes = np.flatnonzero(content == QUOTE)
    if not are_around_cells(content, quotes, delimiter, may_be_doubled=False):
        return None
    newlines = np.flatnonzero(content == NEWLINE)
    ends = int((np.searchsorted(quotes, newlines) % 2 == 0).sum())
    return ends + (not part.endswith(b"\n"))
