"""Takes the rows of a block of columns that are right as they stand, and leaves the others to the long way.

A row is right as it stands where its customer id is a plain number and its other cells, in this combination,
were found right: by the same repairs and rules as those of all other rows, once for each combination.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from batch_issuer.batch.requests import CustomerIds
from batch_issuer.intake.columns import GROUP_COLUMNS, Columns
from batch_issuer.intake.sheets import ColumnBlock

Combination = tuple[str, ...]
"""The cells of a row besides the customer's id, in the order of the known columns."""
Approve = Callable[[Sequence[Combination]], Sequence[Combination | None]]
"""Says for cells as they were read what is sent for them; None where they need a repair or break a rule."""

_LUT_SIZE: Final = 1 << 20
_MOST_MIXED: Final = 1 << 62
_MOST_REMEMBERED: Final = 1 << 20
"""Combinations: where nearly each row has its own, remembering them takes memory and saves nothing."""
_ONE, _NINE = b"19"
_SHORT_ID: Final = "^[1-9][0-9]{0,17}$"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlainRows:
    """What one block holds: `codes[i]` is the combination of row `i`, an index of its reader's `sent`."""

    is_plain: npt.NDArray[np.bool_]
    customers: CustomerIds
    """Meant only where a row is plain."""
    codes: npt.NDArray[np.int32]


@dataclass(slots=True, kw_only=True)
class PlainReader:
    """Reads the plain rows of one file's blocks, and remembers the combinations that it has met."""

    columns: Columns
    approve: Approve
    sent: list[Combination | None] = field(default_factory=list)
    """For each combination what is sent for it, or None where it is not right as it stands."""
    _codes: dict[Combination, int] = field(default_factory=dict)
    _is_right: npt.NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=np.bool_))

    def read(self, block: ColumnBlock) -> PlainRows:
        """Tell the plain rows of a block from the others."""
        if block.width <= max(self.columns.positions.values()):
            return _nothing_plain(block)
        codes = self._codes_of(block)
        if codes is None:
            return _nothing_plain(block)
        customers, is_plain = plain_ids(block.column(self.columns.positions["customer_id"]))
        is_plain = is_plain & self._is_right[codes]
        for at in range(len(self.columns.header), block.width):
            cells = block.column(at)
            if pc.max(pc.binary_length(cells)).as_py():
                is_plain &= np.asarray(pc.equal(pc.binary_length(cells), 0))
        return PlainRows(is_plain=is_plain, customers=customers, codes=codes)

    def _codes_of(self, block: ColumnBlock) -> npt.NDArray[np.int32] | None:
        """Give each row the code of its combination, approving those that are new; None if too many are."""
        values: list[list[str]] = []
        indices: list[npt.NDArray[np.int32] | None] = []
        for name in GROUP_COLUMNS:
            at, default = self.columns.positions.get(name), self.columns.defaults.get(name, "")
            if at is None:
                values.append([default])
                indices.append(None)
                continue
            cells = block.column(at)
            texts = cells.dictionary.to_pylist()
            values.append([text if text.strip() else default for text in texts] if default else texts)
            indices.append(np.asarray(cells.indices))
        size = math.prod(map(len, values))
        if size > _MOST_MIXED or len(self._codes) > _MOST_REMEMBERED:
            return None
        mixed = np.zeros(len(block), dtype=np.int64)
        for texts, index in zip(values, indices, strict=True):
            if index is not None:
                mixed = mixed * len(texts) + index
        distinct, inverse = _distinct(mixed, size)
        met = [_combination(int(number), values) for number in distinct.tolist()]
        self._meet(met)
        codes = np.fromiter((self._codes[one] for one in met), np.int32, count=len(met))
        return codes[inverse]

    def _meet(self, met: Sequence[Combination]) -> None:
        new = list(dict.fromkeys(one for one in met if one not in self._codes))
        if new:
            for one, sent in zip(new, self.approve(new), strict=True):
                self._codes[one] = len(self.sent)
                self.sent.append(sent)
            right = np.array([sent is not None for sent in self.sent[len(self._is_right) :]], dtype=np.bool_)
            self._is_right = np.concatenate([self._is_right, right])


def _nothing_plain(block: ColumnBlock) -> PlainRows:
    rows = len(block)
    return PlainRows(
        is_plain=np.zeros(rows, np.bool_), customers=np.zeros(rows, np.int64), codes=np.zeros(rows, np.int32)
    )


def plain_ids(cells: pa.Array) -> tuple[CustomerIds, npt.NDArray[np.bool_]]:
    """Read customer ids that are written as numbers are, and tell which those are."""
    try:
        numbers = pc.cast(cells, pa.int64())
    except pa.ArrowInvalid:
        is_short = pc.match_substring_regex(cells, _SHORT_ID)
        numbers = pc.cast(pc.if_else(is_short, cells, "0"), pa.int64())
        return np.asarray(numbers), np.asarray(is_short)
    # the cast takes signs, leading zeros and hexadecimal digits, too: a plain number begins with 1 to 9
    ends = np.frombuffer(cells.buffers()[1], np.int32)[cells.offset : cells.offset + len(cells)]
    first = np.frombuffer(cells.buffers()[2] or b"", np.uint8)[ends]
    return np.asarray(numbers), (first >= _ONE) & (first <= _NINE)


def _distinct(mixed: npt.NDArray[np.int64], size: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the distinct numbers below a size, and for each number which of them it is."""
    if size > _LUT_SIZE:
        distinct, inverse = np.unique(mixed, return_inverse=True)
        return distinct, inverse
    is_there = np.zeros(size, dtype=np.bool_)
    is_there[mixed] = True
    distinct = np.flatnonzero(is_there)
    place = np.empty(size, dtype=np.int64)
    place[distinct] = np.arange(len(distinct))
    return distinct, place[mixed]


def _combination(number: int, values: Sequence[Sequence[str]]) -> Combination:
    cells = []
    for texts in reversed(values):
        number, at = divmod(number, len(texts))
        cells.append(texts[at])
    return tuple(reversed(cells))
