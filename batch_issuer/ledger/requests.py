"""Queries on requests: their chunks, stages, states and replies."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from sqlalchemy import Connection, RowMapping, func, insert, select

from batch_issuer.batch.ids import BatchId, RequestId, WorkflowRequestId
from batch_issuer.batch.outcomes import Outcome, Reply, ServerError, Settlement
from batch_issuer.batch.requests import CustomerIds, Group, IssueRequest, RowNumbers, Stage
from batch_issuer.ledger import tables
from batch_issuer.ledger.packing import (
    pack_customers,
    pack_rows,
    unpack_customers,
    unpack_replies,
    unpack_rows,
)

_known = tables.requests.c


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """What the ledger knows of one request, without its rows."""

    request_id: RequestId
    chunk: int
    group: Group
    customers: int
    stage: Stage
    workflow_request_id: WorkflowRequestId | None
    state: str
    outcome: Outcome | None
    is_final: bool
    http_status: int | None
    error: ServerError
    attempts: int
    submitted_at: str
    updated_at: str

    @classmethod
    def from_row(cls, facts: RowMapping) -> Self:
        """Read a row of the table."""
        return cls(
            request_id=RequestId(facts["request_id"]),
            chunk=facts["chunk"],
            group=_group(facts),
            customers=facts["customers"],
            stage=Stage(facts["stage"]),
            workflow_request_id=WorkflowRequestId(facts["workflow_request_id"]) or None,
            state=facts["state"],
            outcome=Outcome(facts["outcome"]) if facts["outcome"] else None,
            is_final=bool(facts["is_final"]),
            http_status=facts["http_status"],
            error=ServerError(code=facts["error_code"], message=facts["error_message"]),
            attempts=facts["attempts"],
            submitted_at=facts["submitted_at"],
            updated_at=facts["updated_at"],
        )

    def settlement(self, replies: Sequence[Reply] = ()) -> Settlement:
        """Return what is known of the rows, given the replies of an executed request."""
        return Settlement(
            outcome=self.outcome,
            is_final=self.is_final,
            error=self.error,
            replies={reply.customer_id: reply for reply in replies},
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RequestRows:
    """One request with its rows and what the server said of them."""

    record: RequestRecord
    customers: CustomerIds
    rows: RowNumbers
    settlement: Settlement


def insert_requests(connection: Connection, batch: BatchId, planned: Sequence[IssueRequest]) -> None:
    """Record planned requests with the rows they carry."""
    connection.execute(
        insert(tables.requests),
        [
            {
                "request_id": request.request_id,
                "batch": batch,
                "chunk": request.chunk,
                "badge_meta_id": request.group.badge_meta_id,
                "owner_type": request.group.owner_type,
                "reference_id": request.group.reference_id,
                "issue_event_date": request.group.issue_event_date,
                "customers": len(request.customers),
                "stage": Stage.NOT_SENT,
            }
            for request in planned
        ],
    )
    connection.execute(
        insert(tables.request_rows),
        [
            {
                "request_id": request.request_id,
                "customers": pack_customers(request.customers),
                "rows": pack_rows(request.rows),
            }
            for request in planned
        ],
    )


def unsent_requests(
    connection: Connection, batch: BatchId, after_chunk: int, limit: int
) -> list[tuple[IssueRequest, int]]:
    """Return the next requests that are not sent, in order of chunks, with the attempts made so far."""
    rows = connection.execute(
        select(tables.requests, tables.request_rows.c.customers.label("packed"), tables.request_rows.c.rows)
        .join(tables.request_rows, _known.request_id == tables.request_rows.c.request_id)
        .where(_known.batch == batch, _known.stage == Stage.NOT_SENT, _known.chunk > after_chunk)
        .order_by(_known.chunk)
        .limit(limit)
    ).mappings()
    return [
        (
            IssueRequest(
                request_id=RequestId(row["request_id"]),
                chunk=row["chunk"],
                group=_group(row),
                customers=unpack_customers(row["packed"]),
                rows=unpack_rows(row["rows"]),
            ),
            row["attempts"],
        )
        for row in rows
    ]


def open_requests(connection: Connection, batch: BatchId) -> list[RequestRecord]:
    """Return the requests that the server has, or may have, and whose state is not final."""
    rows = connection.execute(
        select(tables.requests)
        .where(_known.batch == batch, _known.is_final == 0)
        .where(_known.stage.in_([Stage.SENDING, Stage.SUBMITTED, Stage.IN_DOUBT]))
        .order_by(_known.chunk)
    ).mappings()
    return [RequestRecord.from_row(row) for row in rows]


def count_by_stage(connection: Connection, batch: BatchId) -> dict[Stage, int]:
    """Count the requests of a batch by stage."""
    rows = connection.execute(
        select(_known.stage, func.count()).where(_known.batch == batch).group_by(_known.stage)
    )
    return {Stage(stage): count for stage, count in rows}


def iterate_records(connection: Connection, batch: BatchId) -> Iterator[RequestRecord]:
    """Yield all requests of a batch in order of chunks."""
    query = select(tables.requests).where(_known.batch == batch).order_by(_known.chunk)
    for row in connection.execute(query.execution_options(yield_per=1_000)).mappings():
        yield RequestRecord.from_row(row)


def iterate_rows(connection: Connection, batch: BatchId) -> Iterator[tuple[RequestId, RowNumbers]]:
    """Yield which input rows each request of a batch carries, in order of chunks."""
    query = (
        select(_known.request_id, tables.request_rows.c.rows)
        .join(tables.request_rows, _known.request_id == tables.request_rows.c.request_id)
        .where(_known.batch == batch)
        .order_by(_known.chunk)
    )
    for request_id, rows in connection.execute(query.execution_options(yield_per=1_000)):
        yield RequestId(request_id), unpack_rows(rows)


def iterate_request_rows(
    connection: Connection, batch: BatchId, request_ids: Sequence[RequestId] | None = None
) -> Iterator[RequestRows]:
    """Yield requests with their rows and replies: those named, or all of a batch, by chunk."""
    query = (
        select(
            tables.requests,
            tables.request_rows.c.customers.label("packed"),
            tables.request_rows.c.rows,
            tables.replies.c.replies,
        )
        .join(tables.request_rows, _known.request_id == tables.request_rows.c.request_id)
        .outerjoin(tables.replies, _known.request_id == tables.replies.c.request_id)
        .where(_known.batch == batch)
        .order_by(_known.chunk)
    )
    if request_ids is not None:
        query = query.where(_known.request_id.in_(request_ids))
    for facts in connection.execute(query.execution_options(yield_per=200)).mappings():
        record = RequestRecord.from_row(facts)
        yield RequestRows(
            record=record,
            customers=unpack_customers(facts["packed"]),
            rows=unpack_rows(facts["rows"]),
            settlement=record.settlement(unpack_replies(facts["replies"]) if facts["replies"] else ()),
        )


def _group(facts: RowMapping) -> Group:
    return Group(
        badge_meta_id=facts["badge_meta_id"],
        owner_type=facts["owner_type"],
        reference_id=facts["reference_id"],
        issue_event_date=facts["issue_event_date"],
    )
