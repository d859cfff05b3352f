"""Reads a sheet of an Excel workbook as blocks of cells, each row under its spreadsheet number."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, time, timedelta
from pathlib import Path
from typing import Final

from batch_issuer.errors import UsageError
from batch_issuer.intake.blocks import Record, gather, header_of, without_empty_end
from batch_issuer.intake.sheets import CellKind, Limits, RawBlock
from batch_issuer.intake.spans import Span, check_whole, whole
from batch_issuer.intake.workbooks.cells import Cell, read_slices
from batch_issuer.intake.workbooks.package import EXPLANATION, Package, SheetPart, open_package
from batch_issuer.intake.workbooks.slices import SLICE_BYTES, Slicer

_EXACT: Final = 2**53
"""The largest whole number up to which a workbook, which keeps doubles, keeps each."""
_SHOWN_SHEETS: Final = 5
_SIGNIFICANT: Final = 15
"""Digits of a number that Excel keeps and shows."""


class Workbook:
    """One sheet of an XLSX file."""

    def __init__(
        self, path: Path, *, name: str, sheet: str | None, limits: Limits, slice_bytes: int = SLICE_BYTES
    ) -> None:
        """Find the sheet: by its name, else the first that can be seen.

        Raises InputRefused for a file that is no workbook or can't be read, and UsageError where there is no
        such sheet.
        """
        self._path, self._name, self._wanted, self._limits = path, name, sheet, limits
        self._slice_bytes = slice_bytes
        self._span: Span | None = None
        self._hidden, self._merged = 0, 0
        with self._open() as (package, part):
            self._sheet = part.name
            self._others = [s.name for s in package.sheets if s is not part and s.name != EXPLANATION]

    @property
    def form(self) -> str:
        """The kind of file, and the sheet."""
        return f"an Excel workbook, sheet {self._sheet!r}"

    @property
    def sheets(self) -> tuple[str, ...]:
        """The names of the sheets that may be read; this one comes first."""
        return (self._sheet, *self._others)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Other sheets; and, once the rows were read, hidden rows and merged cells."""
        told = []
        if self._others and self._wanted is None:
            names = ", ".join(map(repr, self._others[:_SHOWN_SHEETS]))
            number = len(self._others)
            some = f"a sheet besides: {names}" if number == 1 else f"{number:,} sheets besides: {names}"
            told.append(f"the workbook holds {some}; --sheet NAME reads another than the first")
        if self._hidden:
            rows = "1 hidden row was" if self._hidden == 1 else f"{self._hidden:,} hidden rows were"
            told.append(f"{rows} read like any other; delete the rows that are not meant")
        if self._merged:
            areas = "1 area" if self._merged == 1 else f"{self._merged:,} areas"
            told.append(f"{areas} of merged cells: each counts as its first cell, the others are empty")
        return tuple(told)

    def header(self) -> list[str]:
        """Return the first row. Raises InputRefused where there is none."""
        first = next(self._records(), Record(1, []))
        return header_of(first.cells if first.number == 1 else [], name=self._name)

    def blocks(self) -> Iterator[RawBlock]:
        """Yield the data rows in input order, some thousands at a time."""
        if self._span is not None:
            check_whole(self._path, self._span)
        records = (record for record in self._records() if record.number > 1)
        return gather(records, self._limits, name=self._name)

    def column_blocks(self, encoded: frozenset[int]) -> Iterator[RawBlock]:  # noqa: ARG002 - a promise of sheets
        """Yield the same rows: a workbook is always read cell by cell."""
        return self.blocks()

    def at(self, path: Path) -> "Workbook":
        """Return the same sheet of a copy of the file."""
        return Workbook(path, name=self._name, sheet=self._wanted, limits=self._limits)

    def spans(self, *, part_bytes: int) -> Iterator[Span]:  # noqa: ARG002 - a promise of sheets
        """Yield the whole workbook: it can only be read from its start."""
        return whole(self._path)

    def within(self, span: Span) -> "Workbook":
        """Return the same sheet, which is read only if it is what it was."""
        part = copy.copy(self)
        part._span = span  # noqa: SLF001 - its own
        return part

    @contextmanager
    def _open(self) -> Iterator[tuple[Package, SheetPart]]:
        try:
            with open_package(self._path, name=self._name) as package:
                yield package, package.choose(self._wanted)
        except OSError as exc:
            raise UsageError(f"the input file {self._path} can't be read ({exc.strerror})") from exc

    def _records(self) -> Iterator[Record]:
        """Yield the rows from the first to the last that holds anything."""
        self._hidden = 0
        with self._open() as (package, sheet), package.file.open(sheet.part) as cells:
            cutter = Slicer(name=self._name, size=self._slice_bytes)
            for piece, values in read_slices(package, cutter.cut(cells)):
                for number, row in values:
                    texts, kinds = _as_text(row)
                    self._hidden += number in piece.hidden and any(texts)
                    yield Record(number, texts, kinds)
            self._merged = cutter.merged


def _as_text(row: Sequence[Cell]) -> tuple[list[str], dict[int, CellKind]]:
    """Write the cells of a row as text, and tell which of them that text would mislead about."""
    texts: list[str] = []
    kinds: dict[int, CellKind] = {}
    for at, cell in enumerate(row):
        if isinstance(cell, str):
            texts.append(cell)
            continue
        if isinstance(cell, date | time | timedelta):
            kinds[at] = CellKind.DATE
        elif isinstance(cell, float) and abs(cell) > _EXACT:
            kinds[at] = CellKind.ROUNDED
        texts.append(_text_of(cell))
    return without_empty_end(texts), kinds


def _text_of(cell: Cell) -> str:
    match cell:
        case bool():
            return str(cell).upper()
        case float() if cell.is_integer() and abs(cell) <= _EXACT:
            return str(int(cell))
        case float():
            return f"{cell:.{_SIGNIFICANT}g}".upper()
        case date() | time():
            return cell.isoformat()
        case _:
            return str(cell)
