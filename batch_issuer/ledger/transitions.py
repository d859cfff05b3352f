"""The steps a request goes through, as values, and how they are written: many in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, update

from batch_issuer.batch.ids import BatchId, RequestId
from batch_issuer.batch.outcomes import NO_ERROR, ServerError
from batch_issuer.batch.requests import IssueRequest, Stage
from batch_issuer.errors import LedgerUnavailable
from batch_issuer.ledger import tables
from batch_issuer.ledger.requests import replace_request
from batch_issuer.ledger.workflow_requests import Said, record_said


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """Written before the POST."""

    request_id: RequestId
    attempt: int
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Written after the POST's answer, or after there was none."""

    request_id: RequestId
    attempt: int
    at: str
    stage: Stage
    http_status: int | None = None
    error: ServerError = NO_ERROR


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Written after a whole reading of the server's list without this request: it was not created."""

    request_id: RequestId
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Written with the answer that a request is too large: its halves take its rows over."""

    batch: BatchId
    request_id: RequestId
    halves: tuple[IssueRequest, IssueRequest]


Transition = Sending | Answered | Said | Missing | Split

_sending = (
    update(tables.requests)
    .where(tables.requests.c.request_id == bindparam("id"), tables.requests.c.stage == Stage.NOT_SENT)
    .values(stage=Stage.SENDING, attempts=bindparam("attempt"), updated_at=bindparam("at"))
)
_answered = (
    update(tables.requests)
    .where(
        tables.requests.c.request_id == bindparam("id"), tables.requests.c.attempts == bindparam("attempt")
    )
    .where(tables.requests.c.stage == Stage.SENDING)
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
    """Write transitions; of each request there is at most one of a kind."""
    _apply_sending(connection, [step for step in transitions if isinstance(step, Sending)])
    _apply_answered(connection, [step for step in transitions if isinstance(step, Answered)])
    record_said(connection, [step for step in transitions if isinstance(step, Said)])
    _apply_missing(connection, [step for step in transitions if isinstance(step, Missing)])
    for step in transitions:
        if isinstance(step, Split):
            replace_request(connection, step.batch, step.request_id, step.halves)


def _apply_sending(connection: Connection, steps: Sequence[Sending]) -> None:
    rows = [{"id": step.request_id, "attempt": step.attempt, "at": step.at} for step in steps]
    if rows:
        if connection.execute(_sending, rows).rowcount != len(rows):
            raise LedgerUnavailable("another process sends the same requests; nothing more is sent from here")
        attempts = [{"request_id": s.request_id, "attempt": s.attempt, "sent_at": s.at} for s in steps]
        connection.execute(insert(tables.attempts), attempts)


def _apply_answered(connection: Connection, steps: Sequence[Answered]) -> None:
    rows = [
        {
            "id": step.request_id,
            "attempt": step.attempt,
            "number": step.attempt,
            "at": step.at,
            "stage_": step.stage,
            "status": step.http_status,
            "code": step.error.code,
            "message": step.error.message,
            "doubt": int(step.stage is Stage.IN_DOUBT),
            "submitted": step.at if step.stage is Stage.SUBMITTED else "",
        }
        for step in steps
    ]
    if rows:
        # a request that the list has settled meanwhile is left as it is: the list knows more
        connection.execute(_answered, rows)
        connection.execute(_attempt_answered, rows)


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

    Only for the holder of the right to send: for anybody else they are under way.
    """
    known = tables.requests.c
    connection.execute(
        update(tables.requests)
        .where(known.batch == batch, known.stage == Stage.SENDING)
        .values(stage=Stage.IN_DOUBT, doubts=known.doubts + 1, updated_at=at)
    )
