"""The cells of rows as they were read: the input is read again only where they are asked for."""

import numpy as np

from batch_issuer.batch.requests import RowNumbers
from batch_issuer.intake import Block, RawBlock, Source


class Originals:
    """Gives the cells of rows, which must be asked for in input order; opens the input with the first."""

    def __init__(self, source: Source) -> None:
        """Open nothing yet."""
        self._blocks = source.blocks()
        self._block: Block = RawBlock(numbers=[], cells=[])

    def take(self, rows: RowNumbers) -> RawBlock:
        """Return some rows as they were read. Raises AssertionError where the input has no such row."""
        taken = RawBlock(numbers=[], cells=[])
        while True:
            own = self._block.rows
            some = self._block.raw(np.flatnonzero(np.isin(own, rows[len(taken.numbers) :])))
            taken = RawBlock(numbers=taken.numbers + some.numbers, cells=taken.cells + some.cells)
            if len(taken.numbers) == len(rows):
                return taken
            block = next(self._blocks, None)
            if block is None:
                missing = set(rows.tolist()).difference(taken.numbers)
                raise AssertionError(f"row {min(missing)} is in the ledger, but not in the input")
            self._block = block
