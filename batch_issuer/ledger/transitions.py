"""The steps a request goes through, as values, and how they are written: many in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select, update

from batch_issuer.batch.ids import BatchId, RequestId
from batch_issuer.batch.outcomes import NO_ERROR, ServerError
from batch_issuer.batch.requests import IssueRequest
from batch_issuer.batch.stages import Stage
from batch_issuer.errors import LedgerUnavailable
from batch_issuer.ledger import tables
from batch_issuer.ledger.leases import LeaseKey, check_lease
from batch_issuer.ledger.requests import replace_request
from batch_issuer.ledger.workflow_requests import Said, record_said


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """Written before the POST, and only while the lease is held."""

    lease: LeaseKey
    request_id: RequestId
    attempt: int
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Written after the POST's answer, or after there was none, and only by the owner of that attempt.

    With the answer that a request is too large come its halves, which take its rows over.
    """

    lease: LeaseKey
    request_id: RequestId
    attempt: int
    at: str
    stage: Stage
    http_status: int | None = None
    error: ServerError = NO_ERROR
    halves: tuple[IssueRequest, IssueRequest] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Written after a whole reading of the server's list without this request: it was not created.

    Only while the lease is held: for another owner the request may be under way again.
    """

    lease: LeaseKey
    request_id: RequestId
    at: str


Transition = Sending | Answered | Said | Missing

_sending = (
    update(tables.requests)
    .where(tables.requests.c.request_id == bindparam("id"), tables.requests.c.stage == Stage.NOT_SENT)
    .values(
        stage=Stage.SENDING,
        owner=bindparam("owner_"),
        attempts=bindparam("attempt"),
        updated_at=bindparam("at"),
    )
)
_answered = (
    update(tables.requests)
    .where(
        tables.requests.c.request_id == bindparam("id"), tables.requests.c.attempts == bindparam("attempt")
    )
    .where(tables.requests.c.stage == Stage.SENDING, tables.requests.c.owner == bindparam("owner_"))
    .values(
        stage=bindparam("stage_"),
        http_status=bindparam("status"),
        error_code=bindparam("code"),
        error_message=bindparam("message"),
        doubts=tables.requests.c.doubts + bindparam("doubt"),
        submitted_at=bindparam("submitted"),
        updated_at=bindparam("at"),
    )
)
_attempt_answered = (
    update(tables.attempts)
    .where(tables.attempts.c.request_id == bindparam("id"), tables.attempts.c.attempt == bindparam("number"))
    .values(
        answered_at=bindparam("at"),
        stage=bindparam("stage_"),
        http_status=bindparam("status"),
        error_code=bindparam("code"),
        error_message=bindparam("message"),
    )
)


def apply_transitions(connection: Connection, transitions: Sequence[Transition]) -> None:
    """Write transitions; of each request there is at most one of a kind.

    Raises BatchTakenOver where one needs a lease that is another's by now.
    """
    for lease in {step.lease for step in transitions if isinstance(step, Sending | Missing)}:
        check_lease(connection, lease)
    _apply_sending(connection, [step for step in transitions if isinstance(step, Sending)])
    _apply_answered(connection, [step for step in transitions if isinstance(step, Answered)])
    record_said(connection, [step for step in transitions if isinstance(step, Said)])
    _apply_missing(connection, [step for step in transitions if isinstance(step, Missing)])


def _apply_sending(connection: Connection, steps: Sequence[Sending]) -> None:
    rows = [
        {"id": step.request_id, "attempt": step.attempt, "owner_": step.lease.owner, "at": step.at}
        for step in steps
    ]
    if rows:
        if connection.execute(_sending, rows).rowcount != len(rows):
            raise LedgerUnavailable("another process sends the same requests; nothing more is sent from here")
        attempts = [{"request_id": s.request_id, "attempt": s.attempt, "sent_at": s.at} for s in steps]
        connection.execute(insert(tables.attempts), attempts)


def _apply_answered(connection: Connection, steps: Sequence[Answered]) -> None:
    # a request that the list has settled meanwhile is left as it is: the list knows more
    whole = [_facts(step) for step in steps if step.halves is None]
    if whole:
        connection.execute(_answered, whole)
    for step in steps:
        if step.halves is not None and connection.execute(_answered, _facts(step)).rowcount:
            replace_request(connection, BatchId(step.lease.name), step.request_id, step.halves)
    if steps:
        connection.execute(_attempt_answered, [_facts(step) for step in steps])


def _facts(step: Answered) -> dict[str, object]:
    return {
        "id": step.request_id,
        "attempt": step.attempt,
        "number": step.attempt,
        "owner_": step.lease.owner,
        "at": step.at,
        "stage_": step.stage,
        "status": step.http_status,
        "code": step.error.code,
        "message": step.error.message,
        "doubt": int(step.stage is Stage.IN_DOUBT),
        "submitted": step.at if step.stage is Stage.SUBMITTED else "",
    }


_missing = (
    update(tables.requests)
    .where(tables.requests.c.request_id == bindparam("id"), tables.requests.c.stage == Stage.IN_DOUBT)
    .values(stage=Stage.NOT_SENT, updated_at=bindparam("at"))
)


def _apply_missing(connection: Connection, steps: Sequence[Missing]) -> None:
    if steps:
        connection.execute(_missing, [{"id": step.request_id, "at": step.at} for step in steps])


def mark_interrupted(connection: Connection, batch: BatchId, at: str) -> None:
    """Put requests in doubt that were marked for sending when their process ended.

    Only for the holder of the batch's lease: for anybody else they are under way.
    """
    known = tables.requests.c
    connection.execute(
        update(tables.requests)
        .where(known.batch == batch, known.stage == Stage.SENDING)
        .values(stage=Stage.IN_DOUBT, doubts=known.doubts + 1, updated_at=at)
    )


def mark_forgotten(connection: Connection, batch: BatchId, *, timeline: int, at: str) -> None:
    """Put all in doubt that seems unsent, where the database may have lost what was sent.

    Does nothing where the batch is of the database's present timeline.
    """
    batches, known = tables.batches.c, tables.requests.c
    is_it = batches.batch == batch
    if connection.execute(select(batches.timeline).where(is_it)).scalar_one() == timeline:
        return
    connection.execute(update(tables.batches).where(is_it).values(timeline=timeline))
    connection.execute(
        update(tables.requests)
        .where(known.batch == batch, known.stage == Stage.NOT_SENT)
        .values(stage=Stage.IN_DOUBT, updated_at=at)
    )
