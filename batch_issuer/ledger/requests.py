"""Queries on requests: their chunks, stages, states and replies."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from sqlalchemy import (
    Connection,
    RowMapping,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from batch_issuer.batch.ids import BatchId, RequestId, WorkflowRequestId
from batch_issuer.batch.outcomes import (
    REPEATED_REQUEST_ID,
    Outcome,
    Reply,
    ServerError,
    Settlement,
    may_be_retried,
)
from batch_issuer.batch.requests import Group, IssueRequest
from batch_issuer.batch.stages import Stage
from batch_issuer.ledger import tables
from batch_issuer.ledger.dialects import upsert
from batch_issuer.ledger.packing import pack_customers, pack_rows
from batch_issuer.ledger.prepared import Prepared, Values

_known = tables.requests.c
PLACE = (_known.chunk, _known.halvings, _known.generation)
"""The order of requests: by chunk, halves in their order, later generations behind earlier ones."""


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
    doubts: int
    """Attempts whose answer was lost."""
    is_definite: bool
    """Refused for good by a run that issued nothing: it may be retried under a new id."""
    halvings: str
    generation: int
    origin: RequestId | None
    """The request that this one took rows over from."""
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
            doubts=facts["doubts"],
            is_definite=bool(facts["is_definite"]),
            halvings=facts["halvings"],
            generation=facts["generation"],
            origin=RequestId(facts["origin"]) or None,
            submitted_at=facts["submitted_at"],
            updated_at=facts["updated_at"],
        )

    @property
    def is_retriable(self) -> bool:
        """Whether the rows may be sent again under a new id: every attempt was definitely refused."""
        return may_be_retried(self.stage, self.outcome, doubts=self.doubts, is_definite=self.is_definite)

    def settlement(self, replies: Sequence[Reply] = ()) -> Settlement:
        """Return what is known of the rows, given the replies of an executed request."""
        return Settlement(
            outcome=self.outcome,
            is_final=self.is_final,
            is_definite=self.is_definite,
            error=self.error,
            replies={reply.customer_id: reply for reply in replies},
        )


_PLANNED: Final = (
    *("request_id", "batch", "chunk", "halvings", "generation", "origin", "customers", "stage"),
    *("badge_meta_id", "owner_type", "reference_id", "issue_event_date"),
)
_REQUEST: Final[dict[str, Any]] = {name: bindparam(name) for name in _PLANNED}
_ROWS: Final[dict[str, Any]] = {
    "request_id": bindparam("request_id"),
    "customers": bindparam("packed"),
    "rows": bindparam("packed_rows"),
}
_insert_request = Prepared(lambda _: insert(tables.requests).values(_REQUEST))
_insert_rows = Prepared(lambda _: insert(tables.request_rows).values(_ROWS))


def insert_requests(
    connection: Connection, batch: BatchId, planned: Sequence[IssueRequest], origin: str = ""
) -> None:
    """Record planned requests with the rows they carry, and which request they took them over from."""
    facts = [_facts(request, batch, origin) for request in planned]
    _insert_request.run(connection, facts)
    _insert_rows.run(connection, facts)


_insert_new_request = Prepared(
    lambda connection: upsert(connection, tables.requests).values(_REQUEST).on_conflict_do_nothing()
)
_insert_new_rows = Prepared(
    lambda connection: upsert(connection, tables.request_rows).values(_ROWS).on_conflict_do_nothing()
)


def insert_new_requests(connection: Connection, batch: BatchId, planned: Sequence[IssueRequest]) -> None:
    """Record planned requests with the rows they carry, but for those that are recorded already."""
    facts = [_facts(request, batch, "") for request in planned]
    _insert_new_request.run(connection, facts)
    _insert_new_rows.run(connection, facts)


def _facts(request: IssueRequest, batch: BatchId, origin: str) -> Values:
    group = request.group
    return {
        "request_id": request.request_id,
        "batch": batch,
        "chunk": request.chunk,
        "halvings": request.halvings,
        "generation": request.generation,
        "origin": origin,
        "badge_meta_id": group.badge_meta_id,
        "owner_type": group.owner_type,
        "reference_id": group.reference_id,
        "issue_event_date": group.issue_event_date,
        "customers": len(request.customers),
        "stage": Stage.NOT_SENT.value,
        "packed": pack_customers(request.customers),
        "packed_rows": pack_rows(request.rows),
    }


def replace_request(
    connection: Connection, batch: BatchId, request_id: RequestId, planned: Sequence[IssueRequest]
) -> None:
    """Let new requests take over the rows of one that the server has refused."""
    insert_requests(connection, batch, planned, origin=request_id)
    rows = tables.request_rows
    connection.execute(delete(rows).where(rows.c.request_id == request_id))


def requests_in_doubt(connection: Connection, batch: BatchId) -> list[tuple[RequestRecord, str]]:
    """Return the requests in doubt, each with the time at which it was last marked for sending.

    One that a database has forgotten to have been sent has the time at which that was noticed.
    """
    attempt = tables.attempts.c
    rows = connection.execute(
        select(tables.requests, func.coalesce(attempt.sent_at, _known.updated_at).label("sent_at"))
        .outerjoin(
            tables.attempts,
            and_(attempt.request_id == _known.request_id, attempt.attempt == _known.attempts),
        )
        .where(_known.batch == batch, _known.stage == Stage.IN_DOUBT)
        .order_by(*PLACE)
    ).mappings()
    return [(RequestRecord.from_row(row), row["sent_at"]) for row in rows]


def refused_requests(
    connection: Connection, batch: BatchId, request_ids: Sequence[RequestId] | None = None
) -> list[RequestRecord]:
    """Return the requests (of those named) that failed as a whole: some may be retried, some may not."""
    failed = and_(_known.stage == Stage.SUBMITTED, _known.outcome == Outcome.FAILED)
    query = (
        select(tables.requests)
        .where(_known.batch == batch, or_(_known.stage == Stage.REFUSED, failed))
        .order_by(*PLACE)
    )
    if request_ids is not None:
        query = query.where(_known.request_id.in_(request_ids))
    return [RequestRecord.from_row(row) for row in connection.execute(query).mappings()]


def retire_request(connection: Connection, batch: BatchId, old: RequestId, new: IssueRequest) -> None:
    """Send the rows of a request that was refused for good again, under a new id."""
    replace_request(connection, batch, old, [new])
    connection.execute(
        update(tables.requests).where(_known.request_id == old).values(stage=Stage.RETRIED.value)
    )


IS_OPEN: Final = and_(
    _known.is_final == 0, _known.stage.in_([Stage.SENDING, Stage.SUBMITTED, Stage.IN_DOUBT])
)
"""The server has the request, or may have it, and has not said its last word."""
_did_not_run = and_(_known.stage == Stage.SUBMITTED, _known.outcome.in_([Outcome.FAILED, Outcome.REJECTED]))
_may_have_a_twin = and_(
    _did_not_run,
    or_(
        and_(_known.doubts > 0, _known.attempts > 1),
        _known.error_code == REPEATED_REQUEST_ID,
    ),
)
_has_an_open_twin = exists().where(
    tables.workflow_requests.c.request_id == _known.request_id, tables.workflow_requests.c.is_final == 0
)


def open_requests(connection: Connection, batch: BatchId) -> list[RequestRecord]:
    """Return the requests that the server has, or may have, and whose fate is not settled for good.

    One that did not run, and was sent twice or called a repeat (809), may have a twin that did.
    """
    rows = connection.execute(
        select(tables.requests)
        .where(_known.batch == batch, or_(IS_OPEN, _may_have_a_twin, _has_an_open_twin))
        .order_by(*PLACE)
    ).mappings()
    return [RequestRecord.from_row(row) for row in rows]


def count_by_stage(connection: Connection, batch: BatchId) -> dict[Stage, int]:
    """Count the requests of a batch by stage."""
    rows = connection.execute(
        select(_known.stage, func.count()).where(_known.batch == batch).group_by(_known.stage)
    )
    return {Stage(stage): count for stage, count in rows}


def unfinished_batches(connection: Connection) -> frozenset[BatchId]:
    """Name the batches that hold requests which are not sent, or in doubt."""
    unfinished = [Stage.NOT_SENT, Stage.SENDING, Stage.IN_DOUBT]
    found = connection.execute(select(_known.batch).where(_known.stage.in_(unfinished)).distinct())
    return frozenset(BatchId(batch) for batch in found.scalars())


def iterate_records(connection: Connection, batch: BatchId) -> Iterator[RequestRecord]:
    """Yield all requests of a batch in order of chunks."""
    query = select(tables.requests).where(_known.batch == batch).order_by(*PLACE)
    for row in connection.execute(query.execution_options(yield_per=1_000)).mappings():
        yield RequestRecord.from_row(row)


def _group(facts: RowMapping) -> Group:
    return Group(
        badge_meta_id=facts["badge_meta_id"],
        owner_type=facts["owner_type"],
        reference_id=facts["reference_id"],
        issue_event_date=facts["issue_event_date"],
    )
