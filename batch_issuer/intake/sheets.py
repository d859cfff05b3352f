"""What every kind of spreadsheet file gives: a header, and rows of text under their spreadsheet numbers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Protocol, Self


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RawBlock:
    """Some rows as they were read: `cells[i]` is spreadsheet row `numbers[i]`, ragged as it was.

    Blank rows are no rows: they are left out, and their numbers are never given to others.
    """

    numbers: list[int]
    cells: list[list[str]]
    kinds: dict[int, Mapping[int, CellKind]] = field(default_factory=dict)
    """For each row (by its number) the cells (by their place) whose text alone would mislead."""


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

    def at(self, path: Path) -> Self:
        """Return the same sheet of a copy of the file."""
