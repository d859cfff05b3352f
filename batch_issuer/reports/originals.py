"""Rows as they were read: the input is read again only where they are asked for."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from batch_issuer.batch.requests import RowNumbers
from batch_issuer.intake import Block, RawBlock, Source
from batch_issuer.intake.columns import Columns
from batch_issuer.intake.sheets import ColumnBlock
from batch_issuer.reports.cells import (
    ended,
    joined,
    numbers,
    protected_original_cells,
    texts_of,
)
from batch_issuer.reports.files import csv_line
from batch_issuer.reports.row_files import cell_as_read, original_cells


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ColumnRows:
    """Some rows as columns of text."""

    rows: RowNumbers
    columns: tuple[pa.Array, ...]

    @classmethod
    def of(cls, block: ColumnBlock, rows: RowNumbers) -> Self:
        """Take some rows of a block."""
        chosen = block.table.take(rows - block.first)
        texts = (pc.cast(column.combine_chunks(), pa.string()) for column in chosen.columns)
        return cls(rows=rows, columns=tuple(texts))


RowsAsRead = RawBlock | ColumnRows


class Originals:
    """Gives rows as they were read; they must be asked for in input order. The first opens the input."""

    def __init__(self, source: Source) -> None:
        """Open nothing yet."""
        self._blocks = source.blocks()
        self._block: Block = RawBlock(numbers=[], cells=[])

    def take(self, rows: RowNumbers) -> Iterator[RowsAsRead]:
        """Yield some rows in few parts. Raises AssertionError where the input has no such row."""
        while len(rows):
            own = self._block.rows
            some = rows[: np.searchsorted(rows, own[-1:].sum(), side="right")]
            if not np.isin(some, own).all():
                raise AssertionError(
                    f"row {some[~np.isin(some, own)][0]} is in the ledger, but not in the input"
                )
            if len(some):
                yield _rows_of(self._block, some)
            rows = rows[len(some) :]
            if len(rows):
                block = next(self._blocks, None)
                if block is None:
                    raise AssertionError(f"row {rows[0]} is in the ledger, but not in the input")
                self._block = block


def _rows_of(block: Block, rows: RowNumbers) -> RowsAsRead:
    if isinstance(block, RawBlock):
        return block.raw(np.searchsorted(block.rows, rows))
    return ColumnRows.of(block, rows)


def original_lines(read: RowsAsRead, problems: pa.Array, columns: Columns) -> pa.Array:
    """Write rows as they were read, with their numbers and problems, the ends of their lines included.

    The problems are cells already.
    """
    if isinstance(read, RawBlock):
        ends = texts_of([csv_line(["", *original_cells(cells, columns)]) for cells in read.cells])
        return joined(joined(numbers(read.rows), problems), ends, by="")
    line: list[pa.Array | str] = [protected_original_cells(column) for column in read.columns]
    line += [""] * (len(columns.header) - len(line))
    return joined(numbers(read.rows), problems, *line[:-1], ended(line[-1]))


def cells_as_read(read: RowsAsRead, name: str, columns: Columns) -> pa.Array:
    """Return the cells of a known column, or what stands for empty ones in the whole file."""
    if isinstance(read, RawBlock):
        return texts_of([cell_as_read(cells, name, columns) for cells in read.cells])
    at, default = columns.positions.get(name), columns.defaults.get(name)
    if at is None or at >= len(read.columns):
        return texts_of([default or ""] * len(read.rows))
    if default is None:
        return read.columns[at]
    return texts_of([cell if cell.strip() else default for cell in read.columns[at].to_pylist()])
