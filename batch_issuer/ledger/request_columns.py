"""Queries that read many requests at once, column by column: a value for each would take longer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, select

from batch_issuer.batch.ids import BatchId, RequestId
from batch_issuer.batch.requests import CustomerIds, RowNumbers
from batch_issuer.ledger import tables
from batch_issuer.ledger.requests import PLACE

_AT_ONCE: Final = 1_000
_known = tables.requests.c
_carried = tables.request_rows.c
_said = tables.workflow_requests.c


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RequestColumns:
    """Some requests: what the table `requests` has of each, in columns under its names."""

    request_id: Sequence[str]
    badge_meta_id: Sequence[str]
    owner_type: Sequence[str]
    reference_id: Sequence[str]
    issue_event_date: Sequence[str]
    customers: Sequence[int]
    stage: Sequence[str]
    workflow_request_id: Sequence[str]
    state: Sequence[str]
    outcome: Sequence[str]
    is_definite: Sequence[int]
    http_status: Sequence[int | None]
    error_code: Sequence[str]
    error_message: Sequence[str]
    attempts: Sequence[int]
    doubts: Sequence[int]
    submitted_at: Sequence[str]
    updated_at: Sequence[str]

    def __len__(self) -> int:
        """Return how many requests these are."""
        return len(self.request_id)


_NAMES: Final = tuple(field.name for field in fields(RequestColumns))
_COLUMNS: Final = tuple(_known[name] for name in _NAMES)
NO_REQUESTS: Final = RequestColumns(**dict.fromkeys(_NAMES, ()))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CarriedRows:
    """The rows of some requests, one request behind the other: of request `i` there are `counts[i]`."""

    counts: npt.NDArray[np.int64]
    rows: RowNumbers
    customers: CustomerIds


def iterate_request_columns(
    connection: Connection, batch: BatchId
) -> Iterator[tuple[RequestColumns, CarriedRows]]:
    """Yield all requests of a batch in order of chunks, with their rows; some own none."""
    query = (
        select(*_COLUMNS, _carried.rows, _carried.customers.label("packed"))
        .outerjoin(tables.request_rows, _known.request_id == _carried.request_id)
        .where(_known.batch == batch)
        .order_by(*PLACE)
    )
    for block in connection.execute(query.execution_options(yield_per=_AT_ONCE)).partitions():
        *columns, rows, customers = zip(*block, strict=True)
        yield _columns(columns), _carried_rows(rows, customers)


def load_request_columns(
    connection: Connection, request_ids: Sequence[RequestId]
) -> Iterator[RequestColumns]:
    """Yield some requests, in no order."""
    for at in range(0, len(request_ids), _AT_ONCE):
        query = select(*_COLUMNS).where(_known.request_id.in_(request_ids[at : at + _AT_ONCE]))
        yield _columns(list(zip(*connection.execute(query), strict=True)))


def load_replies(connection: Connection, request_ids: Sequence[RequestId]) -> dict[RequestId, bytes]:
    """Return the packed replies of those of some requests that were executed."""
    found: dict[RequestId, bytes] = {}
    for at in range(0, len(request_ids), _AT_ONCE):
        query = (
            select(_known.request_id, _said.replies)
            .join(
                tables.workflow_requests,
                (_known.request_id == _said.request_id)
                & (_known.workflow_request_id == _said.workflow_request_id),
            )
            .where(_known.request_id.in_(request_ids[at : at + _AT_ONCE]), _said.replies.is_not(None))
        )
        for request_id, replies in connection.execute(query).all():
            found[RequestId(request_id)] = replies
    return found


def _columns(columns: Sequence[Sequence[Any]]) -> RequestColumns:
    return RequestColumns(**dict(zip(_NAMES, columns, strict=True)))


def _carried_rows(rows: Sequence[bytes | None], customers: Sequence[bytes | None]) -> CarriedRows:
    return CarriedRows(
        counts=np.array([len(packed or b"") // 4 for packed in rows], dtype=np.int64),
        rows=np.frombuffer(b"".join(packed or b"" for packed in rows), dtype="<u4"),
        customers=np.frombuffer(b"".join(packed or b"" for packed in customers), dtype="<i8"),
    )
