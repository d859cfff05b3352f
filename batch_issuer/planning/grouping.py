"""Gathers checked rows into one compact table: a customer, a group code and a row number for each row."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar, overload

import numpy as np
import numpy.typing as npt

from batch_issuer.batch.requests import CustomerIds, Group, RowNumbers
from batch_issuer.intake import CheckedRows, GroupCodes, GroupKey

N = TypeVar("N", bound=np.generic)

_FIRST_ROOM: Final = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowTable:
    """The valid rows of a file in input order; `groups[codes[i]]` is the group of row `rows[i]`."""

    customers: CustomerIds
    codes: GroupCodes
    rows: RowNumbers
    groups: Sequence[Group]


class Groups(Sequence[Group]):
    """The groups of a file; each is made when it is asked for, as there may be one for each row."""

    def __init__(self, keys: Sequence[GroupKey]) -> None:
        """Take what each group is made of."""
        self._keys = keys

    def __len__(self) -> int:
        return len(self._keys)

    @overload
    def __getitem__(self, at: int) -> Group: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Group]: ...

    def __getitem__(self, at: int | slice) -> Group | Sequence[Group]:
        return Groups(self._keys[at]) if isinstance(at, slice) else _group(self._keys[at])

    def __iter__(self) -> Iterator[Group]:
        return map(_group, self._keys)


class RowCollector:
    """Takes checked rows block by block and keeps 16 bytes a row; groups count from their first row on."""

    def __init__(self) -> None:
        """Start empty."""
        self._keys: Sequence[GroupKey] = ()
        self._customers = _Growing(np.int64)
        self._codes = _Growing(np.int32)
        self._rows = _Growing(np.uint32)

    def add(self, checked: CheckedRows) -> None:
        """Take the valid rows of one block of a file; all blocks must be of one pass over it."""
        self._keys = checked.keys
        self._codes.extend(checked.codes)
        self._customers.extend(checked.customers)
        self._rows.extend(checked.rows)

    def take(self) -> RowTable:
        """Return all rows that were added, and keep none: they are in memory once."""
        return RowTable(
            customers=self._customers.take(),
            codes=self._codes.take(),
            rows=self._rows.take(),
            groups=self.groups(),
        )

    def groups(self) -> Sequence[Group]:
        """Return the groups of all rows that were added."""
        return Groups(tuple(self._keys))


def _group(key: GroupKey) -> Group:
    badge, owner, reference, date = key
    return Group(badge_meta_id=badge, owner_type=owner, reference_id=reference, issue_event_date=date)


class _Growing(Generic[N]):
    """Numbers that grow in place: the memory of a long list is made longer, and is not copied."""

    def __init__(self, kind: type[N]) -> None:
        self._numbers = np.empty(_FIRST_ROOM, dtype=kind)
        self._length = 0

    def extend(self, more: npt.NDArray[N]) -> None:
        """Add some."""
        end = self._length + len(more)
        if end > len(self._numbers):
            # nobody else has seen them yet: there is no other reference to look for
            self._numbers.resize(max(end, len(self._numbers) * 5 // 4), refcheck=False)
        self._numbers[self._length : end] = more
        self._length = end

    def take(self) -> npt.NDArray[N]:
        """Return them all, and keep none."""
        taken, length = self._numbers, self._length
        self._numbers, self._length = np.empty(_FIRST_ROOM, dtype=taken.dtype), 0
        taken.resize(length, refcheck=False)
        return taken
