"""Reads a file of separated text as blocks of cells, each row under its spreadsheet number."""

import csv
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Self

from batch_issuer.errors import InputRefused, UsageError
from batch_issuer.intake.advice import SAVE_AS_CSV
from batch_issuer.intake.blocks import Record, gather, header_of, too_large
from batch_issuer.intake.columnar import ColumnReader
from batch_issuer.intake.dialect import UTF_16, Dialect
from batch_issuer.intake.parts import PART_BYTES, lines_in_parts
from batch_issuer.intake.sheets import Block, Limits, RawBlock

_ESCAPED_BYTE: Final = re.compile("[\udc80-\udcff]")
_PARSED_CHARS: Final = 131_072
"""The csv module stops at larger cells: an open quote must not take in a whole file before it shows."""


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
        first = next(_records(self.path, self.dialect, self.name), Record(1, [])).cells
        if any("\0" in cell for cell in first):  # what UTF-16 without a byte order mark looks like
            raise InputRefused(f"{self.name} is no text file, or {UTF_16}")
        return header_of(first, name=self.name)

    def blocks(self) -> Iterator[RawBlock]:
        """Yield the data rows in input order, some thousands at a time.

        Raises InputRefused where the text can't be decoded, a quote is left open, or a limit is passed:
        then the rows cannot be told apart any more, and guessing would lose some.
        """
        records = _records(self.path, self.dialect, self.name)
        next(records, None)
        yield from gather(records, self.limits, name=self.name)

    def column_blocks(self, encoded: frozenset[int]) -> Iterator[Block]:
        """Yield the same rows as `blocks`, as columns where the text is plain; raises the same."""
        csv.field_size_limit(_PARSED_CHARS)
        reader = ColumnReader(
            name=self.name, delimiter=self.dialect.delimiter, limits=self.limits, encoded=encoded
        )
        with _told_in_words(self.path, self.dialect, self.name, lambda: reader.number):
            yield from reader.read(lines_in_parts(self.path, self.dialect, part_bytes=self.part_bytes))

    def at(self, path: Path) -> Self:
        """Return the same sheet of a copy of the file."""
        return replace(self, path=path)


def _records(path: Path, dialect: Dialect, name: str) -> Iterator[Record]:
    """Yield each record under its number, blank ones too; what reading raises becomes one clear line."""
    number = 0
    csv.field_size_limit(_PARSED_CHARS)
    with (
        _told_in_words(path, dialect, name, lambda: number),
        path.open(encoding=dialect.encoding, newline="") as file,
    ):
        if dialect.has_separator_line:
            file.readline()
        # strict: a quote that is never closed would otherwise swallow the rows behind it in silence
        for number, record in enumerate(csv.reader(file, delimiter=dialect.delimiter, strict=True), 1):
            yield Record(number, record)


@contextmanager
def _told_in_words(path: Path, dialect: Dialect, name: str, last_row: Callable[[], int]) -> Iterator[None]:
    """Turn what reading raises into one clear line."""
    try:
        yield
    except UnicodeDecodeError as exc:
        row = _first_undecodable_row(path, dialect)
        kind = dialect.encoding_name
        raise InputRefused(f"{name} is not {kind} text (look at row {row}); {SAVE_AS_CSV}") from exc
    except csv.Error as exc:
        raise InputRefused(_unreadable(name, last_row() + 1, str(exc))) from exc
    except OSError as exc:
        raise UsageError(f"the input file {path} can't be read ({exc.strerror})") from exc


def _first_undecodable_row(path: Path, dialect: Dialect) -> int:
    """Find the row that decoding stopped at: it decodes ahead, so the last good row may be far before."""
    row = 0
    with path.open(encoding=dialect.encoding, errors="surrogateescape", newline="") as file:
        try:
            if dialect.has_separator_line:
                file.readline()
            for row, record in enumerate(csv.reader(file, delimiter=dialect.delimiter, strict=True), 1):
                if _ESCAPED_BYTE.search("".join(record)):
                    return row
        except (csv.Error, UnicodeDecodeError):  # UTF-16 has no way to carry a stray byte on
            return row + 1
    return max(row, 1)


def _unreadable(name: str, row: int, reason: str) -> str:
    if "field larger" in reason:
        return too_large(name, row, _PARSED_CHARS)
    return (
        f'{name}: row {row}: a quote (") is opened and not closed, or stands inside a quoted cell; '
        "remove it or double it"
    )
