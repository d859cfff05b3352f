"""Rows as they were read: the input is read again only where they are asked for."""

from collections.abc import Iterator, Sequence
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
    LINE_END,
    joined,
    numbers,
    protected_cells,
    protected_original_cells,
    texts_of,
)
from batch_issuer.reports.files import csv_line
from batch_issuer.reports.row_files import cell_as_read, original_line


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


def original_lines(read: RowsAsRead, problems: Sequence[str], columns: Columns) -> pa.Array:
    """Write rows as they were read, with their numbers and problems, the ends of their lines included."""
    if isinstance(read, RawBlock):
        rows = zip(read.numbers, read.cells, problems, strict=True)
        return texts_of([csv_line(original_line(row, cells, text, columns)) for row, cells, text in rows])
    given = [protected_original_cells(column) for column in read.columns]
    missing = [""] * (len(columns.header) - len(given))
    line = joined(numbers(read.rows), protected_cells(texts_of(problems)), *given, *missing)
    return joined(line, LINE_END, by="")


def cells_as_read(read: RowsAsRead, name: str, columns: Columns) -> list[str]:
    """Return the cells of a known column, or what stands for empty ones in the whole file."""
    if isinstance(read, RawBlock):
        return [cell_as_read(cells, name, columns) for cells in read.cells]
    at = columns.positions.get(name)
    given = (
        read.columns[at].to_pylist() if at is not None and at < len(read.columns) else [""] * len(read.rows)
    )
    default = columns.defaults.get(name)
    return [cell if default is None or cell.strip() else default for cell in given]
