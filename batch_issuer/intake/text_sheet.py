"""Reads a file of separated text as blocks of cells, each row under its spreadsheet number."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Final, Self

from batch_issuer.errors import InputRefused, UsageError
from batch_issuer.intake.advice import SAVE_AS_CSV
from batch_issuer.intake.blocks import Record, gather, header_of, too_large
from batch_issuer.intake.columnar import ColumnReader
from batch_issuer.intake.cutting import cut_text
from batch_issuer.intake.dialect import PARSED_CHARS, UTF_16, Dialect
from batch_issuer.intake.parts import PART_BYTES, lines_in_parts
from batch_issuer.intake.sheets import Block, Limits, RawBlock
from batch_issuer.intake.spans import Span, check_span, open_span, whole

_ESCAPED_BYTE: Final = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSheet:
    """A file of separated text."""

    path: Path
    name: str
    """What messages call it, for `path` may be a copy."""
    dialect: Dialect
    limits: Limits = field(default_factory=Limits)
    part_bytes: int = PART_BYTES
    """About how much is read at a time as columns."""
    span: Span | None = None
    """The part of the file whose rows are read; None for all of it."""

    @property
    def form(self) -> str:
        """Its encoding and separator."""
        return str(self.dialect)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Nothing: what is repaired is counted cell by cell."""
        return ()

    def header(self) -> list[str]:
        """Return the first row. Raises InputRefused where there is none."""
        first = next(_Text(replace(self, span=None)).records(), Record(1, [])).cells
        if any("\0" in cell for cell in first):  # what UTF-16 without a byte order mark looks like
            raise InputRefused(f"{self.name} is no text file, or {UTF_16}")
        return header_of(first, name=self.name)

    def blocks(self) -> Iterator[RawBlock]:
        """Yield the data rows in input order, some thousands at a time.

        Raises InputRefused where the text can't be decoded, a quote is left open, or a limit is passed:
        then the rows cannot be told apart any more, and guessing would lose some.
        """
        text = _Text(self)
        with text.confirmed():
            yield from gather(text.data_records(), self.limits, name=self.name)

    def column_blocks(self, encoded: frozenset[int]) -> Iterator[Block]:
        """Yield the same rows as `blocks`, as columns where the text is plain; raises the same."""
        csv.field_size_limit(PARSED_CHARS)
        text = _Text(self)
        reader = ColumnReader(
            name=self.name,
            delimiter=self.dialect.delimiter,
            limits=self.limits,
            encoded=encoded,
            number=text.rows_before,
        )
        with text.confirmed(), text.told_in_words(lambda: reader.number), text.open() as file:
            parts = lines_in_parts(
                file, encoding=text.encoding, skips_line=text.skips_line, part_bytes=self.part_bytes
            )
            yield from reader.read(parts)
        text.check_number(reader.number)

    def spans(self, *, part_bytes: int) -> Iterator[Span]:
        """Cut the text at the ends of records; UTF-16, which few use, stays whole."""
        if not self.dialect.is_divisible:
            yield from whole(self.path)
            return
        text = _Text(self)
        with text.told_in_words(lambda: 0), text.open() as file:
            yield from cut_text(file, self.dialect, part_bytes=part_bytes)

    def within(self, span: Span) -> Self:
        """Return the same sheet, of which only a part is read."""
        return replace(self, span=span)

    def at(self, path: Path) -> Self:
        """Return the same sheet of a copy of the file."""
        return replace(self, path=path)


class _Text:
    """The text that one sheet reads: a whole file, or a part of it."""

    def __init__(self, sheet: TextSheet) -> None:
        self._path, self._name, self._dialect, self._span = sheet.path, sheet.name, sheet.dialect, sheet.span
        self.rows_before = sheet.span.rows_before if sheet.span else 0
        is_start = not self.rows_before
        self.encoding = sheet.dialect.encoding if is_start else sheet.dialect.encoding_inside
        self.skips_line = is_start and sheet.dialect.has_separator_line

    def open(self) -> IO[bytes]:
        """Open the bytes. Raises OSError."""
        return open_span(self._path, self._span) if self._span else self._path.open("rb")

    def records(self) -> Iterator[Record]:
        """Yield each record under its number, blank ones too; what reading raises becomes one clear line."""
        number = self.rows_before
        csv.field_size_limit(PARSED_CHARS)
        with self.told_in_words(lambda: number), self._decoded() as file:
            # strict: a quote that is never closed would otherwise swallow the rows behind it in silence
            for record in csv.reader(file, delimiter=self._dialect.delimiter, strict=True):
                number += 1
                yield Record(number, record)
        self.check_number(number)

    def data_records(self) -> Iterator[Record]:
        """Yield the records without the header."""
        records = self.records()
        if not self.rows_before:
            next(records, None)
        return records

    def check_number(self, last: int) -> None:
        """Raise AssertionError where a part holds other rows than were counted when it was cut."""
        if self._span and self._span.rows is not None and last != self.rows_before + self._span.rows:
            raise AssertionError(f"{self._path}: row {last} ends a part of {self._span.rows} rows")

    @contextmanager
    def confirmed(self) -> Iterator[None]:
        """Refuse a file only for bytes that are those which were cut. Raises UsageError."""
        try:
            yield
        except InputRefused:
            if self._span:
                check_span(self._path, self._span)
            raise

    @contextmanager
    def told_in_words(self, last_row: Callable[[], int]) -> Iterator[None]:
        """Turn what reading raises into one clear line."""
        try:
            yield
        except UnicodeDecodeError as exc:
            row, kind = self._first_undecodable_row(), self._dialect.encoding_name
            raise InputRefused(f"{self._name} is not {kind} text (look at row {row}); {SAVE_AS_CSV}") from exc
        except csv.Error as exc:
            raise InputRefused(_unreadable(self._name, last_row() + 1, str(exc))) from exc
        except OSError as exc:
            raise UsageError(f"the input file {self._path} can't be read ({exc.strerror})") from exc

    def _first_undecodable_row(self) -> int:
        """Find the row that decoding stopped at: it decodes ahead, so the last good row may be far before."""
        row = self.rows_before
        try:
            with self._decoded("surrogateescape") as file:
                for record in csv.reader(file, delimiter=self._dialect.delimiter, strict=True):
                    row += 1
                    if _ESCAPED_BYTE.search("".join(record)):
                        return row
        except (csv.Error, UnicodeDecodeError):  # UTF-16 has no way to carry a stray byte on
            return row + 1
        return max(row, 1)

    @contextmanager
    def _decoded(self, errors: str = "strict") -> Iterator[IO[str]]:
        with io.TextIOWrapper(self.open(), encoding=self.encoding, errors=errors, newline="") as file:
            if self.skips_line:
                file.readline()
            yield file


def _unreadable(name: str, row: int, reason: str) -> str:
    if "field larger" in reason:
        return too_large(name, row, PARSED_CHARS)
    return (
        f'{name}: row {row}: a quote (") is opened and not closed, or stands inside a quoted cell; '
        "remove it or double it"
    )
