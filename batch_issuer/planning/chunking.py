"""Cuts groups into chunks: the least possible number of requests, customers in input order, none twice."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt

from batch_issuer.batch.holding import NOTHING_HELD, HeldRows
from batch_issuer.batch.ids import BatchId, make_request_id
from batch_issuer.batch.requests import CustomerIds, Group, IssueRequest, RowNumbers
from batch_issuer.planning.grouping import RowTable


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """What would be sent for a file, and which rows repeat which.

    `duplicates[i]` repeats `repeated[i]`: the same customer in the same group. The rows to send are
    ordered by group and, inside a group, by row.
    """

    table: RowTable
    chunk_size: int
    duplicates: RowNumbers
    repeated: RowNumbers
    held: HeldRows = NOTHING_HELD
    """Rows that are not to be sent because another batch holds their customer."""
    ordered_customers: CustomerIds = field(repr=False)
    ordered_rows: RowNumbers = field(repr=False)
    _sizes: npt.NDArray[np.int64] = field(repr=False)

    @property
    def customers(self) -> int:
        """How many customers would be sent."""
        return len(self.ordered_customers)

    @property
    def group_sizes(self) -> list[int]:
        """Customers of each group, in the order of `table.groups`."""
        return [int(size) for size in self._sizes]

    @property
    def request_count(self) -> int:
        """How many requests that takes: the sum of ceil(customers / chunk_size) over the groups."""
        return int((-(-self._sizes // self.chunk_size)).sum())

    def parts(self) -> dict[Group, slice]:
        """Say where the rows of each group stand in the order of the rows to send."""
        borders = pairwise(accumulate(self._sizes.tolist(), initial=0))
        return {group: slice(*border) for group, border in zip(self.table.groups, borders, strict=True)}

    def without(self, held: HeldRows) -> "Plan":
        """Return the plan of the same file that leaves held rows out."""
        if not len(held):
            return self
        is_kept = np.isin(self.ordered_rows, held.rows, assume_unique=True, invert=True)
        codes = np.repeat(np.arange(len(self._sizes)), self._sizes)
        return replace(
            self,
            held=held,
            ordered_customers=self.ordered_customers[is_kept],
            ordered_rows=self.ordered_rows[is_kept],
            _sizes=np.bincount(codes[is_kept], minlength=len(self._sizes)),
        )

    def requests(self, *, org_id: str, batch: BatchId) -> Iterator[IssueRequest]:
        """Yield the requests, chunk numbers counting from 1; the same input gives the same ids."""
        chunk = 0
        start = 0
        for group, size in zip(self.table.groups, self._sizes.tolist(), strict=True):
            for at in range(start, start + size, self.chunk_size):
                end = min(at + self.chunk_size, start + size)
                chunk += 1
                yield IssueRequest(
                    request_id=make_request_id(org_id=org_id, batch=batch, chunk=chunk),
                    chunk=chunk,
                    group=group,
                    customers=self.ordered_customers[at:end],
                    rows=self.ordered_rows[at:end],
                )
            start += size


def plan_requests(table: RowTable, *, chunk_size: int) -> Plan:
    """Plan the rows of a file."""
    # stable: of equal (group, customer) pairs the earliest row comes first
    order = np.lexsort((table.customers, table.codes))
    codes, customers = table.codes[order], table.customers[order]
    repeats = np.zeros(len(order), dtype=np.bool_)
    repeats[1:] = (codes[1:] == codes[:-1]) & (customers[1:] == customers[:-1])
    positions = np.arange(len(order))
    first_of_run = np.maximum.accumulate(np.where(repeats, 0, positions))
    duplicates = table.rows[order[repeats]]
    repeated = table.rows[order[first_of_run[repeats]]]
    by_row = np.argsort(duplicates, kind="stable")

    kept = np.sort(order[~repeats])
    by_group = kept[np.argsort(table.codes[kept], kind="stable")]
    return Plan(
        table=table,
        chunk_size=chunk_size,
        duplicates=duplicates[by_row],
        repeated=repeated[by_row],
        ordered_customers=table.customers[by_group],
        ordered_rows=table.rows[by_group],
        _sizes=np.bincount(table.codes[kept], minlength=len(table.groups)),
    )
