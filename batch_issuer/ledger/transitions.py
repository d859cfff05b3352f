"""The steps a request goes through, as values, and how they are written: many in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, and_, bindparam, exists, or_, select, update
from sqlalchemy.sql import ClauseElement

from batch_issuer.batch.ids import BatchId, RequestId
from batch_issuer.batch.outcomes import NO_ERROR, ServerError
from batch_issuer.batch.requests import IssueRequest
from batch_issuer.batch.stages import Stage
from batch_issuer.errors import LedgerUnavailable
from batch_issuer.ledger import tables
from batch_issuer.ledger.dialects import upsert
from batch_issuer.ledger.leases import LeaseKey, check_lease
from batch_issuer.ledger.prepared import Prepared, Values
from batch_issuer.ledger.requests import replace_request
from batch_issuer.ledger.workflow_requests import SPOKEN, Said, keep_words, record_said, words_of

_known = tables.requests.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """Written before the POST, and only while the lease is held; again where the POST had to wait."""

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
    sent_at: str
    at: str
    stage: Stage
    http_status: int | None = None
    error: ServerError = NO_ERROR
    said: Said | None = None
    """What the server says of the request, where its answer names it."""
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

_is_ours = and_(
    _known.attempts == bindparam("attempt_"),
    _known.stage == Stage.SENDING,
    _known.owner == bindparam("owner_"),
)
_sending = Prepared(
    lambda _: (
        update(tables.requests)
        .where(_known.request_id == bindparam("id"), or_(_known.stage == Stage.NOT_SENT, _is_ours))
        .values(
            stage=Stage.SENDING,
            owner=bindparam("owner_"),
            attempts=bindparam("attempt_"),
            updated_at=bindparam("at"),
        )
    )
)
_is_that_attempt = and_(_known.request_id == bindparam("id"), _is_ours)
_ANSWER: Final = {
    "stage": bindparam("stage_"),
    "http_status": bindparam("status"),
    "error_code": bindparam("code"),
    "error_message": bindparam("message"),
    "doubts": _known.doubts + bindparam("doubt"),
    "submitted_at": bindparam("submitted"),
    "updated_at": bindparam("at"),
}
_answered = Prepared(lambda _: update(tables.requests).where(_is_that_attempt).values(**_ANSWER))
_said_at_once = Prepared(
    lambda _: (
        update(tables.requests)
        .where(_is_that_attempt, ~exists().where(tables.workflow_requests.c.request_id == _known.request_id))
        .values(**{**_ANSWER, **SPOKEN})
    )
)


def _keep_attempt(connection: Connection) -> ClauseElement:
    new = upsert(connection, tables.attempts).values(
        request_id=bindparam("id"),
        attempt=bindparam("attempt_"),
        sent_at=bindparam("sent"),
        answered_at=bindparam("at"),
        stage=bindparam("stage_"),
        http_status=bindparam("status"),
        error_code=bindparam("code"),
        error_message=bindparam("message"),
    )
    told = ("answered_at", "stage", "http_status", "error_code", "error_message")
    return new.on_conflict_do_update(
        # whoever took the batch over has noted it without an answer
        index_elements=["request_id", "attempt"],
        set_={name: new.excluded[name] for name in told},
    )


_attempt = Prepared(_keep_attempt)


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
        {"id": step.request_id, "attempt_": step.attempt, "owner_": step.lease.owner, "at": step.at}
        for step in steps
    ]
    if _sending.run(connection, rows) != len(rows):
        raise LedgerUnavailable("another process sends the same requests; nothing more is sent from here")


def _apply_answered(connection: Connection, steps: Sequence[Answered]) -> None:
    # a request that the list has settled meanwhile is left as it is: the list knows more
    told = [(step, _facts(step)) for step in steps]
    _apply_said(connection, [(step.said, facts) for step, facts in told if step.said is not None])
    for step, facts in told:
        if step.halves is not None and _answered.run(connection, [facts]):
            _replace_by_halves(connection, step.request_id, step.halves)
    _answered.run(connection, [facts for step, facts in told if step.said is None and step.halves is None])
    _attempt.run(connection, [facts for _, facts in told])


def _replace_by_halves(
    connection: Connection, request_id: RequestId, halves: tuple[IssueRequest, IssueRequest]
) -> None:
    """Let halves take the rows of a request over; whoever had claimed it has claimed them."""
    query = select(_known.batch, _known.owner, _known.claimed_in).where(_known.request_id == request_id)
    whole = connection.execute(query).one()
    replace_request(connection, BatchId(whole.batch), request_id, halves)
    claimed = {"owner": whole.owner, "claimed_in": whole.claimed_in}
    connection.execute(update(tables.requests).where(_known.origin == request_id).values(claimed))


def _apply_said(connection: Connection, told: Sequence[tuple[Said, Values]]) -> None:
    """Write answers and what they say in one go, where the server has said nothing before."""
    facts = [facts for _, facts in told]
    if _said_at_once.run(connection, facts) == len(facts):
        keep_words(connection, facts)
    else:  # some are written by now: they stay as they are
        _answered.run(connection, facts)
        record_said(connection, [said for said, _ in told])


def _facts(step: Answered) -> Values:
    words = {} if step.said is None else words_of(step.said)
    return {
        **words,
        "id": step.request_id,
        "attempt_": step.attempt,
        "owner_": step.lease.owner,
        "sent": step.sent_at,
        "at": step.at,
        "stage_": step.stage.value,
        "status": step.http_status,
        "code": step.error.code,
        "message": step.error.message,
        "doubt": int(step.stage is Stage.IN_DOUBT),
        "submitted": step.at if step.stage is Stage.SUBMITTED else "",
    }


_missing = Prepared(
    lambda _: (
        update(tables.requests)
        .where(_known.request_id == bindparam("id"), _known.stage == Stage.IN_DOUBT)
        .values(stage=Stage.NOT_SENT, owner="", updated_at=bindparam("at"))
    )
)


def _apply_missing(connection: Connection, steps: Sequence[Missing]) -> None:
    _missing.run(connection, [{"id": step.request_id, "at": step.at} for step in steps])


def mark_interrupted(connection: Connection, batch: BatchId, at: str, *, owner: str | None = None) -> None:
    """Put requests in doubt that were marked for sending when their process ended.

    Only for the holder of the batch's lease, or for those of an owner whose own lease is over: for anybody
    else they are under way.
    """
    was_sent = and_(_known.batch == batch, _known.stage == Stage.SENDING)
    if owner is not None:
        was_sent = and_(was_sent, _known.owner == owner)
    # locked before their attempts are noted: in this order answers that come late are written, too
    connection.execute(select(_known.request_id).where(was_sent).with_for_update()).all()
    sent = select(_known.request_id, _known.attempts, _known.updated_at).where(was_sent)
    attempts = upsert(connection, tables.attempts).from_select(["request_id", "attempt", "sent_at"], sent)
    # earlier versions noted an attempt before it was made
    connection.execute(attempts.on_conflict_do_nothing())
    connection.execute(
        update(tables.requests)
        .where(was_sent)
        .values(stage=Stage.IN_DOUBT, doubts=_known.doubts + 1, updated_at=at)
    )


def mark_forgotten(connection: Connection, batch: BatchId, *, timeline: int, at: str) -> None:
    """Put all in doubt that seems unsent, where the database may have lost what was sent.

    Does nothing where the batch is of the database's present timeline.
    """
    batches = tables.batches.c
    is_it = batches.batch == batch
    if connection.execute(select(batches.timeline).where(is_it)).scalar_one() == timeline:
        return
    connection.execute(update(tables.batches).where(is_it).values(timeline=timeline))
    connection.execute(
        update(tables.requests)
        .where(_known.batch == batch, _known.stage == Stage.NOT_SENT)
        .values(stage=Stage.IN_DOUBT, updated_at=at)
    )
