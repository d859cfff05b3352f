"""Reads a file of separated text as blocks of cells, each row under its spreadsheet number."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Self

from batch_issuer.errors import InputRefused, UsageError
from batch_issuer.intake.dialect import SAVE_AS, UTF_16, Dialect
from batch_issuer.intake.sheets import Limits, RawBlock

BLOCK_ROWS: Final = 20_000
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
        return read_header(self.path, self.dialect, name=self.name)

    def blocks(self) -> Iterator[RawBlock]:
        """Yield the data rows in input order, some thousands at a time."""
        return read_blocks(self.path, self.dialect, self.limits, name=self.name)

    def at(self, path: Path) -> Self:
        """Return the same sheet of a copy of the file."""
        return replace(self, path=path)


def read_header(path: Path, dialect: Dialect, *, name: str = "") -> list[str]:
    """Return the first row. Raises InputRefused where there is none."""
    name = name or path.name
    _, first = next(_records(path, dialect, name), (1, []))
    if not any(cell.strip() for cell in first):
        raise InputRefused(f"{name}: row 1 is empty; the first row must hold the column names")
    if any("\0" in cell for cell in first):  # what UTF-16 without a byte order mark looks like
        raise InputRefused(f"{name} is no text file, or {UTF_16}")
    while first and not first[-1].strip():
        first.pop()
    return first


def read_blocks(path: Path, dialect: Dialect, limits: Limits, *, name: str = "") -> Iterator[RawBlock]:
    """Yield the data rows in input order, some thousands at a time.

    Raises InputRefused where the text can't be decoded, a quote is left open, or a limit is passed:
    then the rows cannot be told apart any more, and guessing would lose some. Messages call the file
    `name`, for `path` may be a copy.
    """
    name = name or path.name
    records = _records(path, dialect, name)
    next(records, None)
    numbers: list[int] = []
    cells: list[list[str]] = []
    rows = 0
    for number, record in records:
        if not any(record) or not "".join(record).strip():
            continue
        rows += 1
        _check_limits(name, number, record, rows, limits)
        numbers.append(number)
        cells.append(record)
        if len(cells) == BLOCK_ROWS:
            yield RawBlock(numbers=numbers, cells=cells)
            numbers, cells = [], []
    if cells:
        yield RawBlock(numbers=numbers, cells=cells)


def _records(path: Path, dialect: Dialect, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record under its number, blank ones too; what reading raises becomes one clear line."""
    number = 0
    csv.field_size_limit(_PARSED_CHARS)
    try:
        with path.open(encoding=dialect.encoding, newline="") as file:
            if dialect.has_separator_line:
                file.readline()
            # strict: a quote that is never closed would otherwise swallow the rows behind it in silence
            for number, record in enumerate(csv.reader(file, delimiter=dialect.delimiter, strict=True), 1):
                yield number, record
    except UnicodeDecodeError as exc:
        row = _first_undecodable_row(path, dialect)
        kind = dialect.encoding_name
        raise InputRefused(f"{name} is not {kind} text (look at row {row}); {SAVE_AS}") from exc
    except csv.Error as exc:
        raise InputRefused(_unreadable(name, number + 1, str(exc))) from exc
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
        return _too_large(name, row, _PARSED_CHARS)
    return (
        f'{name}: row {row}: a quote (") is opened and not closed, or stands inside a quoted cell; '
        "remove it or double it"
    )


def _check_limits(name: str, number: int, record: list[str], rows: int, limits: Limits) -> None:
    if rows > limits.max_rows:
        raise InputRefused(f"{name} has more than {limits.max_rows:,} data rows; split the file")
    if max(map(len, record)) > limits.max_cell_chars:
        raise InputRefused(_too_large(name, number, limits.max_cell_chars))


def _too_large(name: str, row: int, chars: int) -> str:
    return (
        f"{name}: row {row} has a cell of more than {chars:,} characters; "
        "is a quote opened there and closed much later?"
    )
