"""Gathers the rows of a sheet into blocks, without its blank rows and with no cell that is too large."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from batch_issuer.errors import InputRefused
from batch_issuer.intake.sheets import CellKind, Limits, RawBlock, is_filled

BLOCK_ROWS: Final = 20_000
_NO_KINDS: Final[Mapping[int, CellKind]] = {}


class Record(NamedTuple):
    """One row as it stands in the file, blank or not."""

    number: int
    cells: list[str]
    kinds: Mapping[int, CellKind] = _NO_KINDS


def gather(records: Iterable[Record], limits: Limits, *, name: str) -> Iterator[RawBlock]:
    """Yield the rows that hold anything, some thousands at a time.

    Raises InputRefused for a cell above the limit; messages call the file `name`.
    """
    block = RawBlock(numbers=[], cells=[])
    for number, cells, kinds in records:
        if not is_filled(cells):
            continue
        if max(map(len, cells)) > limits.max_cell_chars:
            raise InputRefused(too_large(name, number, limits.max_cell_chars))
        block.numbers.append(number)
        block.cells.append(cells)
        if kinds:
            block.kinds[number] = kinds
        if len(block.numbers) == BLOCK_ROWS:
            yield block
            block = RawBlock(numbers=[], cells=[])
    if block.numbers:
        yield block


def header_of(cells: list[str], *, name: str) -> list[str]:
    """Return the cells of row 1 as a header, without empty ones at its end. Raises InputRefused."""
    if not is_filled(cells):
        raise InputRefused(f"{name}: row 1 is empty; the first row must hold the column names")
    return without_empty_end(cells)


def without_empty_end(cells: list[str]) -> list[str]:
    """Leave out the empty cells behind the last filled one."""
    width = next((at for at in range(len(cells), 0, -1) if cells[at - 1].strip()), 0)
    return cells[:width]


def too_large(name: str, row: int, chars: int) -> str:
    """Say that a cell is too large."""
    return (
        f"{name}: row {row} has a cell of more than {chars:,} characters; "
        "shorten it, or, in a text file, look for a quote that is opened there and closed much later"
    )
