"""Gathers checked frames into one compact table: a customer, a group code and a row number for each row."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from batch_issuer.batch.requests import CustomerIds, Group, RowNumbers

GROUP_COLUMNS = ["badge_meta_id", "owner_type", "reference_id", "issue_event_date"]
GroupCodes = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowTable:
    """The valid rows of a file in input order; `groups[codes[i]]` is the group of row `rows[i]`."""

    customers: CustomerIds
    codes: GroupCodes
    rows: RowNumbers
    groups: tuple[Group, ...]


class RowCollector:
    """Takes checked frames one by one and keeps 16 bytes a row; groups count from their first row on."""

    def __init__(self) -> None:
        """Start empty."""
        self._codes_of: dict[tuple[str, ...], int] = {}
        self._customers: list[CustomerIds] = []
        self._codes: list[GroupCodes] = []
        self._rows: list[RowNumbers] = []

    def add(self, frame: pd.DataFrame) -> None:
        """Take the valid rows of one checked frame."""
        if frame.empty:
            return
        in_frame = frame.groupby(GROUP_COLUMNS, sort=False).ngroup().to_numpy()
        firsts = frame[GROUP_COLUMNS].drop_duplicates()
        codes = [
            self._codes_of.setdefault(tuple(key), len(self._codes_of))
            for key in firsts.itertuples(index=False)
        ]
        self._codes.append(np.asarray(codes, dtype=np.int32)[in_frame])
        self._customers.append(frame["customer_id"].to_numpy(dtype=np.int64))
        self._rows.append(frame.index.to_numpy(dtype=np.uint32))

    def table(self) -> RowTable:
        """Return all rows taken so far."""
        return RowTable(
            customers=np.concatenate(self._customers or [np.empty(0, np.int64)]),
            codes=np.concatenate(self._codes or [np.empty(0, np.int32)]),
            rows=np.concatenate(self._rows or [np.empty(0, np.uint32)]),
            groups=self.groups(),
        )

    def groups(self) -> tuple[Group, ...]:
        """Return the groups of the rows taken so far."""
        return tuple(Group(**dict(zip(GROUP_COLUMNS, key, strict=True))) for key in self._codes_of)
