"""The steps a request goes through, as values, and how they are written: many in one transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, LargeBinary, bindparam, case, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from batch_issuer.batch.ids import RequestId
from batch_issuer.batch.outcomes import NO_ERROR, ServerError, ServerRequest, Settlement
from batch_issuer.batch.requests import Stage
from batch_issuer.errors import LedgerUnavailable
from batch_issuer.ledger import tables
from batch_issuer.ledger.packing import pack_replies


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
class Said:
    """What the server says of a request, in an answer or in its list; a final state stands for good."""

    request_id: RequestId
    at: str
    said: ServerRequest
    settlement: Settlement


Transition = Sending | Answered | Said

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
_said = (
    update(tables.requests)
    .where(tables.requests.c.request_id == bindparam("id"), tables.requests.c.is_final == 0)
    .values(
        stage=Stage.SUBMITTED,
        workflow_request_id=bindparam("workflow_id"),
        state=bindparam("state_"),
        outcome=bindparam("outcome_"),
        is_final=bindparam("final"),
        error_code=bindparam("code"),
        error_message=bindparam("message"),
        submitted_at=case(
            (tables.requests.c.submitted_at == "", bindparam("at")), else_=tables.requests.c.submitted_at
        ),
        updated_at=bindparam("at"),
    )
)
# the first final answer stands, and its replies with it: a later one must not change what was reported
_replies = (
    upsert(tables.replies)
    .from_select(
        ["request_id", "replies"],
        select(tables.requests.c.request_id, bindparam("packed", type_=LargeBinary)).where(
            tables.requests.c.request_id == bindparam("id"), tables.requests.c.is_final == 0
        ),
    )
    .on_conflict_do_nothing()
)


def apply_transitions(connection: Connection, transitions: Sequence[Transition]) -> None:
    """Write transitions; of each request there is at most one of a kind."""
    _apply_sending(connection, [step for step in transitions if isinstance(step, Sending)])
    _apply_answered(connection, [step for step in transitions if isinstance(step, Answered)])
    _apply_said(connection, [step for step in transitions if isinstance(step, Said)])


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
            "submitted": step.at if step.stage is Stage.SUBMITTED else "",
        }
        for step in steps
    ]
    if rows:
        # a request that the list has settled meanwhile is left as it is: the list knows more
        connection.execute(_answered, rows)
        connection.execute(_attempt_answered, rows)


def _apply_said(connection: Connection, steps: Sequence[Said]) -> None:
    if not steps:
        return
    _insert_replies(connection, (step for step in steps if step.settlement.outcome is None))
    connection.execute(
        _said,
        [
            {
                "id": step.request_id,
                "workflow_id": step.said.workflow_request_id,
                "state_": step.said.state,
                "outcome_": step.settlement.outcome or "",
                "final": int(step.settlement.is_final),
                "code": step.settlement.error.code if step.settlement.error else "",
                "message": step.settlement.error.message if step.settlement.error else "",
                "at": step.at,
            }
            for step in steps
        ],
    )


def _insert_replies(connection: Connection, steps: Iterable[Said]) -> None:
    rows = [
        {"id": step.request_id, "packed": pack_replies(step.settlement.replies.values())} for step in steps
    ]
    if rows:
        connection.execute(_replies, rows)
