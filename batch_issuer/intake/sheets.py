"""What every kind of spreadsheet file gives: a header, and rows of text under their spreadsheet numbers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from batch_issuer.batch.requests import RowNumbers
from batch_issuer.intake.spans import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a file may hold at most."""

    max_rows: int = 50_000_000
    max_cell_chars: int = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetOptions:
    """What the user says of how a file is written; None is found out."""

    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    """The name of the sheet to read, of a file that holds several."""


class CellKind(Enum):
    """What a cell held whose text alone would mislead."""

    DATE = auto()
    """A date, or a time: what was typed may have been `3-8`."""
    ROUNDED = auto()
    """A number of more digits than the file can keep."""
    OPAQUE = auto()
    """A list, a record, bytes: what no cell of a spreadsheet holds."""


class Marked(NamedTuple):
    """Cells of one column whose text alone would mislead."""

    kind: CellKind
    rows: npt.NDArray[np.bool_]
    """Which rows of the block hold such a cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawBlock:
    """Some rows as they were read: `cells[i]` is spreadsheet row `numbers[i]`, ragged as it was.

    Blank rows are no rows: they are left out, and their numbers are never given to others.
    """

    numbers: list[int]
    cells: list[list[str]]
    kinds: dict[int, Mapping[int, CellKind]] = field(default_factory=dict)
    """For each row (by its number) the cells (by their place) whose text alone would mislead."""

    @property
    def rows(self) -> RowNumbers:
        """The numbers of the rows."""
        return np.asarray(self.numbers, dtype=np.uint32)

    def raw(self, rows: npt.NDArray[np.intp]) -> "RawBlock":
        """Return some of the rows."""
        at = rows.tolist()
        return RawBlock(numbers=[self.numbers[i] for i in at], cells=[self.cells[i] for i in at])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ColumnBlock:
    """Some rows as columns of text; row `i` is spreadsheet row `first + i`. Some may be blank."""

    first: int
    table: pa.Table
    """Its columns are named by their places, counted from 0."""
    marks: Mapping[int, Marked] = field(default_factory=dict)
    """The columns (by their place) of which some cells are not what their text looks like."""

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def width(self) -> int:
        """How many cells each row has."""
        return int(self.table.num_columns)

    @property
    def rows(self) -> RowNumbers:
        """The numbers of the rows, blank ones among them."""
        return np.arange(self.first, self.first + len(self), dtype=np.uint32)

    def column(self, at: int) -> pa.Array:
        """Return one column: text, or dictionary-encoded text."""
        return self.table.column(at).chunk(0)

    def raw(self, rows: npt.NDArray[np.intp]) -> RawBlock:
        """Return some rows cell by cell, without blank ones."""
        if not len(rows):
            return RawBlock(numbers=[], cells=[])
        chosen, at = self.table.take(rows), rows.tolist()
        cells = zip(*(column.to_pylist() for column in chosen.columns), strict=True)
        kept = [(self.first + i, list(row)) for i, row in zip(at, cells, strict=True) if is_filled(row)]
        return RawBlock(numbers=[number for number, _ in kept], cells=[row for _, row in kept])


Block = RawBlock | ColumnBlock


def is_filled(cells: Sequence[str]) -> bool:
    """Tell whether a row holds anything but blanks."""
    return bool("".join(cells).strip())


class Sheet(Protocol):
    """One spreadsheet file, which can be read any number of times and gives the same rows each time.

    Reading raises InputRefused, with what to do, where the rows can't be told apart or a limit is passed,
    and UsageError where the file can't be read at all.
    """

    @property
    def form(self) -> str:
        """How the file is written, in words for the user."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know of the file, in a sentence each; complete once its rows were read."""

    def header(self) -> list[str]:
        """Return the first row, without empty cells at its end."""

    def blocks(self) -> Iterator[RawBlock]:
        """Yield the data rows in input order, some thousands at a time."""

    def column_blocks(self, encoded: frozenset[int]) -> Iterator[Block]:
        """Yield the same rows, as columns where that is faster.

        The columns at the places `encoded` repeat values: they come dictionary-encoded. Raises the same.
        """

    def at(self, path: Path) -> Self:
        """Return the same sheet of a copy of the file."""

    def spans(self, *, part_bytes: int) -> Iterator[Span]:
        """Cut the rows into parts of some `part_bytes` each, in order: at least one, with the header.

        Raises UsageError where the file can't be read.
        """

    def within(self, span: Span) -> Self:
        """Return the same sheet, of which only a part is read: the rows, and what reading them raises.

        At the latest behind its last row reading raises UsageError where the file is not what was cut.
        """
