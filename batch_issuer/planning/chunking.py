"""Cuts groups into chunks: the least possible number of requests, customers in input order, none twice."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from batch_issuer.batch.holding import NOTHING_HELD, HeldRows
from batch_issuer.batch.ids import BatchId, make_request_id
from batch_issuer.batch.requests import CustomerIds, Group, IssueRequest, RowNumbers
from batch_issuer.planning.grouping import RowTable

_SMALL_CODES: Final = 1 << 16
_MIX_CUSTOMERS: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_GROUPS: Final = np.uint64(0xC2B2AE3D27D4EB4F)
"""Odd numbers: multiplied by one, different 64-bit numbers stay different."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """What would be sent for a file, and which rows repeat which.

    `duplicates[i]` repeats `repeated[i]`: the same customer in the same group. The rows to send are
    ordered by group and, inside a group, by row.
    """

    groups: Sequence[Group]
    """In order of their first valid rows."""
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
        """Customers of each group, in the order of `groups`."""
        return [int(size) for size in self._sizes]

    @property
    def request_count(self) -> int:
        """How many requests that takes: the sum of ceil(customers / chunk_size) over the groups."""
        return int((-(-self._sizes // self.chunk_size)).sum())

    def parts(self) -> dict[Group, slice]:
        """Say where the rows of each group stand in the order of the rows to send."""
        borders = pairwise(accumulate(self._sizes.tolist(), initial=0))
        return {group: slice(*border) for group, border in zip(self.groups, borders, strict=True)}

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
        before = start = 0
        for group, size in zip(self.groups, self._sizes.tolist(), strict=True):
            rows = slice(start, start + size)
            yield from cut(
                group,
                self.ordered_customers[rows],
                self.ordered_rows[rows],
                Numbers(org_id=org_id, batch=batch, before=before, chunk_size=self.chunk_size),
            )
            before += -(-size // self.chunk_size)
            start += size


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """How the chunks of a group are counted."""

    org_id: str
    batch: BatchId
    before: int
    """So many chunks of the batch come before them."""
    chunk_size: int


def cut(group: Group, customers: CustomerIds, rows: RowNumbers, numbers: Numbers) -> Iterator[IssueRequest]:
    """Cut rows of one group into requests; the same numbers give the same ids."""
    size = numbers.chunk_size
    for chunk, at in enumerate(range(0, len(rows), size), numbers.before + 1):
        yield IssueRequest(
            request_id=make_request_id(org_id=numbers.org_id, batch=numbers.batch, chunk=chunk),
            chunk=chunk,
            group=group,
            customers=customers[at : at + size],
            rows=rows[at : at + size],
        )


def plan_requests(table: RowTable, *, chunk_size: int) -> Plan:
    """Plan the rows of a file."""
    repeats, originals = _find_repeats(table)
    # numbers of 16 bits are sorted by their digits
    codes = table.codes.astype(np.uint16 if len(table.groups) <= _SMALL_CODES else np.int32)
    by_group = np.argsort(codes, kind="stable")
    if len(repeats):
        is_kept = np.ones(len(codes), dtype=np.bool_)
        is_kept[repeats] = False
        by_group = by_group[is_kept[by_group]]
        codes = codes[is_kept]
    return Plan(
        groups=table.groups,
        chunk_size=chunk_size,
        duplicates=table.rows[repeats],
        repeated=table.rows[originals],
        ordered_customers=table.customers[by_group],
        ordered_rows=table.rows[by_group],
        _sizes=np.bincount(codes, minlength=len(table.groups)),
    )


def _find_repeats(table: RowTable) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Find the rows that repeat an earlier customer of their group, in input order, and the first of each."""
    suspects = _suspects(table)
    codes, customers = table.codes[suspects], table.customers[suspects]
    # stable: of equal (group, customer) pairs the earliest row comes first
    order = np.lexsort((customers, codes))
    codes, customers = codes[order], customers[order]
    is_repeat = np.zeros(len(order), dtype=np.bool_)
    is_repeat[1:] = (codes[1:] == codes[:-1]) & (customers[1:] == customers[:-1])
    first_of_run = np.maximum.accumulate(np.where(is_repeat, 0, np.arange(len(order))))
    repeats, originals = suspects[order[is_repeat]], suspects[order[first_of_run[is_repeat]]]
    by_row = np.argsort(repeats, kind="stable")
    return repeats[by_row], originals[by_row]


def _suspects(table: RowTable) -> npt.NDArray[np.int64]:
    """Find every row whose (group, customer) may stand twice, and few others: most files have none."""
    marks = _marks(table)
    marks.sort()
    twice = marks[1:][marks[1:] == marks[:-1]]
    return np.flatnonzero(np.isin(_marks(table), twice)) if len(twice) else np.empty(0, dtype=np.int64)


def _marks(table: RowTable) -> npt.NDArray[np.uint64]:
    """Mix group and customer to one number: equal pairs have equal marks, and others hardly ever."""
    marks = table.customers.astype(np.uint64)
    marks *= _MIX_CUSTOMERS
    marks ^= table.codes.astype(np.uint64) * _MIX_GROUPS
    return marks
