"""Reads a CSV file as blocks of text cells, each row under its spreadsheet number."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from batch_issuer.errors import InputRefused
from batch_issuer.intake.dialect import Dialect

BLOCK_ROWS: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a file may hold at most."""

    max_rows: int = 50_000_000
    max_cell_chars: int = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class RawBlock:
    """Some rows as they were read: `cells[i]` is spreadsheet row `numbers[i]`, ragged as it was.

    Blank rows are no rows: they are left out, and their numbers are never given to others.
    """

    numbers: list[int]
    cells: list[list[str]]


def read_header(path: Path, dialect: Dialect) -> list[str]:
    """Return the first row. Raises InputRefused where there is none."""
    with _translated(path), path.open(encoding=dialect.encoding, newline="") as file:
        first = next(_records(file, dialect), [])
    if not any(cell.strip() for cell in first):
        raise InputRefused(f"{path.name}: row 1 is empty; the first row must hold the column names")
    while first and not first[-1].strip():
        first.pop()
    return first


def read_blocks(path: Path, dialect: Dialect, limits: Limits) -> Iterator[RawBlock]:
    """Yield the data rows in input order, some thousands at a time.

    Raises InputRefused where the text can't be decoded, a quote is left open, or a limit is passed:
    then the rows cannot be told apart any more, and guessing would lose some.
    """
    csv.field_size_limit(max(limits.max_cell_chars, 131_072))
    with _translated(path), path.open(encoding=dialect.encoding, newline="") as file:
        records = _records(file, dialect)
        next(records, None)
        numbers: list[int] = []
        cells: list[list[str]] = []
        rows = 0
        for number, record in enumerate(records, start=2):
            if not any(record) or not "".join(record).strip():
                continue
            rows += 1
            _check_limits(path, number, record, rows, limits)
            numbers.append(number)
            cells.append(record)
            if len(cells) == BLOCK_ROWS:
                yield RawBlock(numbers=numbers, cells=cells)
                numbers, cells = [], []
        if cells:
            yield RawBlock(numbers=numbers, cells=cells)


def _records(file: Iterator[str], dialect: Dialect) -> Iterator[list[str]]:
    # strict: a quote that is never closed would otherwise swallow the rows behind it in silence
    return csv.reader(file, delimiter=dialect.delimiter, strict=True)


def _check_limits(path: Path, number: int, record: list[str], rows: int, limits: Limits) -> None:
    if rows > limits.max_rows:
        raise InputRefused(f"{path.name} has more than {limits.max_rows:,} data rows; split the file")
    if max(map(len, record)) > limits.max_cell_chars:
        raise InputRefused(
            f"{path.name}: row {number} has a cell of more than {limits.max_cell_chars} characters; "
            "is a quote opened there and closed much later?"
        )


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn what decoding and parsing raise into one clear line."""
    try:
        yield
    except UnicodeDecodeError as exc:
        raise InputRefused(
            f"{path.name} is not UTF-8 text (byte {exc.object[exc.start]:#04x}); "
            'in Excel choose "Save As", then "CSV UTF-8 (Comma delimited)"'
        ) from exc
    except csv.Error as exc:
        raise InputRefused(
            f'{path.name}: a quote (") is opened and not closed, or stands inside a quoted cell '
            f"({exc}); remove it or double it"
        ) from exc
