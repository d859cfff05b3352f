"""What became of each row of a batch, from the ledger alone, some rows at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from sqlalchemy import Connection

from batch_issuer.batch.ids import BatchId
from batch_issuer.batch.requests import RowNumbers
from batch_issuer.ledger.batches import iterate_duplicates, iterate_problem_blocks
from batch_issuer.reports.held import HeldAccounts, HeldLines
from batch_issuer.reports.invalid_rows import InvalidBlocks, InvalidRows
from batch_issuer.reports.lines import DuplicateLines, RowLines, duplicates_of
from batch_issuer.reports.row_map import FIRST_ROW, RowMap

ROWS_AT_ONCE: Final = 50_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AccountedRows:
    """What became of the rows between two row numbers."""

    carried: RowLines
    """Those that requests of the batch carry."""
    held: HeldLines
    """Those that were left to other batches."""
    duplicates: tuple[DuplicateLines, ...]
    invalid: InvalidRows

    @property
    def valid(self) -> tuple[RowLines, ...]:
        """All but the invalid ones."""
        return (self.carried, self.held, *self.duplicates)

    def __len__(self) -> int:
        """Return how many rows these are."""
        return sum(map(len, self.valid)) + len(self.invalid)


class Accounts:
    """The ledger's record of one batch, looked up by input row."""

    def __init__(
        self,
        connection: Connection,
        batch: BatchId,
        carried: RowMap,
        *,
        rows_at_once: int = ROWS_AT_ONCE,
    ) -> None:
        """Take the requests of the batch, and read which rows are duplicates or held."""
        self._carried = carried
        self._rows_at_once = rows_at_once
        self._held = HeldAccounts(connection, batch)
        self._duplicates, self._repeated = _read_duplicates(connection, batch)
        self._invalid = InvalidBlocks(iterate_problem_blocks(connection, batch))

    def __iter__(self) -> Iterator[AccountedRows]:
        """Yield what became of the rows in input order; this can be done once."""
        return self.rows_from(FIRST_ROW)

    def rows_from(self, first: int) -> Iterator[AccountedRows]:
        """Yield what became of the rows from some number on, in input order; this can be done once."""
        self._invalid.take(first)
        last = max(len(self._carried), self._held.end, int(self._duplicates[-1:].sum()) + 1)
        while first < last or self._invalid.are_left:
            yield self._account(first, first + self._rows_at_once)
            first += self._rows_at_once

    def _account(self, first: int, end: int) -> AccountedRows:
        start, stop = np.searchsorted(self._duplicates, [first, end])
        rows, repeated = self._duplicates[start:stop], self._repeated[start:stop]
        is_held = self._held.holds(repeated)
        carried = self._carry(self._carried.carried(first, end))
        return AccountedRows(
            carried=carried,
            held=self._held.account(self._held.between(first, end)),
            duplicates=(
                duplicates_of(self._carry(repeated[~is_held]), rows[~is_held]),
                duplicates_of(self._held.account(repeated[is_held]), rows[is_held]),
            ),
            invalid=self._invalid.take(end),
        )

    def _carry(self, rows: RowNumbers) -> RowLines:
        lost = rows[~self._carried.carries(rows)]
        if len(lost):
            raise AssertionError(f"row {lost[0]} is repeated by another, but no request carries it")
        return RowLines(rows=rows, customers=self._carried.customers(rows), told=self._carried.tell(rows))


def _read_duplicates(connection: Connection, batch: BatchId) -> tuple[RowNumbers, RowNumbers]:
    blocks = list(iterate_duplicates(connection, batch))
    empty = np.empty(0, dtype=np.uint32)
    rows = np.concatenate([rows for rows, _ in blocks] or [empty])
    return rows, np.concatenate([repeated for _, repeated in blocks] or [empty])
