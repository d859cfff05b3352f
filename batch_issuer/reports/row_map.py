"""Which request carries which row, and what each request says of its rows as a whole."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sqlalchemy import Connection

from batch_issuer.batch.ids import RequestId
from batch_issuer.batch.requests import CustomerIds, RowNumbers
from batch_issuer.ledger.request_columns import (
    NO_REQUESTS,
    CarriedRows,
    RequestColumns,
    load_replies,
    load_request_columns,
)
from batch_issuer.reports.cells import texts_of
from batch_issuer.reports.fates import EACH_REPLY_DECIDES, Fates, Places, joined_fates
from batch_issuer.reports.replied import Told, tell

FIRST_ROW: Final = 2
"""The header is row 1."""
KEPT_REQUESTS: Final = 50_000
"""What so many requests say stays in memory: some 10 MB."""


class RowMap:
    """The requests of one batch by the rows that they carry: 12 bytes a row, and the request ids."""

    def __init__(self, connection: Connection, *, rows: int = 0, kept_requests: int = KEPT_REQUESTS) -> None:
        """Know no request yet. Of more than `kept_requests` the ledger is asked anew for each look.

        There is room for so many rows at once; more is made where blank lines stand between them.
        """
        self._connection = connection
        self._kept_requests = kept_requests
        self._request_of_row = np.full(rows + FIRST_ROW, -1, dtype=np.int32)
        self._customer_of_row = np.zeros(rows + FIRST_ROW, dtype=np.int64)
        self._request_ids: list[pa.Array] = []
        self._kept: list[Fates] = []
        self._requests = 0
        self._replies: dict[int, bytes | None] = {}

    def __len__(self) -> int:
        """Return the number behind the last row that may be carried."""
        return len(self._request_of_row)

    def add(self, requests: RequestColumns, carried: CarriedRows) -> None:
        """Take up the next requests in order of chunks."""
        if len(carried.rows):
            self._make_room(int(carried.rows.max()) + 1)
        numbers = np.arange(self._requests, self._requests + len(requests), dtype=np.int32)
        self._request_of_row[carried.rows] = np.repeat(numbers, carried.counts)
        self._customer_of_row[carried.rows] = carried.customers
        self._requests += len(requests)
        self._request_ids.append(texts_of(requests.request_id))
        if self._requests <= self._kept_requests:
            self._kept.append(Fates.of(requests))
        else:
            self._kept.clear()

    def carried(self, first: int, end: int) -> RowNumbers:
        """Return the rows from one number to before another that requests carry."""
        return (np.flatnonzero(self._request_of_row[first:end] >= 0) + first).astype(np.uint32)

    def carries(self, rows: RowNumbers) -> npt.NDArray[np.bool_]:
        """Tell which of some rows a request carries."""
        known = np.minimum(rows, len(self) - 1)
        is_carried: npt.NDArray[np.bool_] = (known == rows) & (self._request_of_row[known] >= 0)
        return is_carried

    def customers(self, rows: RowNumbers) -> CustomerIds:
        """Return the customers of rows that are carried."""
        return self._customer_of_row[rows]

    def tell(self, rows: RowNumbers) -> Told:
        """Say what became of rows that are carried."""
        carriers = pa.array(self._request_of_row[rows]).dictionary_encode()
        needed = carriers.dictionary.to_numpy()
        fates = self._fates(needed)
        executed = needed[fates.outcomes == EACH_REPLY_DECIDES]
        self._load_replies(executed.tolist())
        replies = [self._replies.get(n) for n in needed.tolist()]
        return tell(fates, carriers.indices.to_numpy(), self.customers(rows), replies)

    def _make_room(self, end: int) -> None:
        missing = end - len(self)
        if missing > 0:
            more = max(missing, len(self))
            nobody, nothing = np.full(more, -1, dtype=np.int32), np.zeros(more, dtype=np.int64)
            self._request_of_row = np.concatenate([self._request_of_row, nobody])
            self._customer_of_row = np.concatenate([self._customer_of_row, nothing])

    def _fates(self, needed: Places) -> Fates:
        if self._kept:
            self._kept = [joined_fates(self._kept)]
            return self._kept[0].take(needed)
        place_of = {request_id: at for at, request_id in enumerate(self._ids(needed))}
        loaded = list(load_request_columns(self._connection, list(place_of)))
        found = np.array([place_of[RequestId(one)] for some in loaded for one in some.request_id], np.intp)
        return joined_fates([Fates.of(some) for some in loaded or [NO_REQUESTS]]).take(np.argsort(found))

    def _load_replies(self, executed: Sequence[int]) -> None:
        """Hold the replies that are needed now, and no others."""
        held = self._replies
        missing = [n for n in executed if n not in held]
        self._replies = {n: held[n] for n in executed if n in held}
        ids = self._ids(np.array(missing, dtype=np.int64))
        found = load_replies(self._connection, ids)
        self._replies |= {n: found.get(request_id) for n, request_id in zip(missing, ids, strict=True)}

    def _ids(self, requests: Places) -> list[RequestId]:
        if len(self._request_ids) > 1:
            self._request_ids = [pa.concat_arrays(self._request_ids)]
        return (
            [RequestId(one) for one in self._request_ids[0].take(requests).to_pylist()]
            if len(requests)
            else []
        )
