"""The outcome rule: what the server's words about a request mean for each of its rows."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from batch_issuer.batch.ids import RequestId, WorkflowRequestId
from batch_issuer.batch.stages import Stage


class Outcome(StrEnum):
    """Our word for what became of a row."""

    ISSUED = "issued"
    ISSUE_FAILED = "issue_failed"
    UNACCOUNTED = "unaccounted"
    PENDING = "pending"
    REJECTED = "rejected"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"
    NOT_SENT = "not_sent"
    INVALID = "invalid"
    DUPLICATE = "duplicate"
    ALREADY_ISSUED = "already_issued"


FINAL_STATES: Final = frozenset({"approved", "rejected", "failed"})
"""Any other text is not final and is kept as it is (contract, "Life cycle")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerError:
    """A code and a message as the server gave them, free of secrets."""

    code: str = ""
    message: str = ""


NO_ERROR: Final = ServerError()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the inner call says of one customer."""

    customer_id: int
    issued_id: str | None
    error: ServerError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerAnswer:
    """The answer of the inner issueBulk call, as the workflow engine recorded it."""

    status: int | None
    has_data: bool
    """`body.data` is there, or the body can't be read: only a body that says null proves a failure."""
    error: ServerError | None
    """The first of `body.errors`, if any."""
    replies: tuple[Reply, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRequest:
    """One workflow request in the server's words, without what may hold credentials."""

    workflow_request_id: WorkflowRequestId
    request_id: RequestId | None
    """The inner `body.requestId`, if the server shows it."""
    state: str
    maker_allowed: bool | None = None
    payload_valid: bool | None = None
    checker_allowed: bool | None = None
    inner: InnerAnswer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a workflow request's present words mean for its rows."""

    outcome: Outcome | None
    """One word for every row, or None: then each customer's reply decides."""
    is_final: bool
    is_definite: bool = False
    """Nobody was issued anything, and nothing will be: the rows may be sent again under a new id."""
    error: ServerError | None = None
    replies: Mapping[int, Reply] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOutcome:
    """What became of one row."""

    outcome: Outcome
    issued_id: str = ""
    error: ServerError = NO_ERROR


REPEATED_REQUEST_ID: Final = "809"
"""The inner call refused a request id that was used before (contract, "Idempotency")."""
_HTTP_SUCCESS: Final = range(200, 300)
_HTTP_REFUSAL: Final = range(400, 500)
_SERVER_ERROR: Final = re.compile("5[0-9]{2}")
CONTRADICTION: Final = ServerError(
    message="the server reports a failure, yet lists issued ids; check this request with the platform"
)
NO_OUTPUT: Final = ServerError(message="the server calls the request final, but gives no result")
NOT_NAMED: Final = ServerError(message="the server's answer does not name this customer")
PAYLOAD_REFUSED: Final = ServerError(message="the server's check of the payload failed")
NO_MAKER_ACCESS: Final = ServerError(message="the maker may not make this request")


def settle(said: ServerRequest) -> Settlement:
    """Apply the contract's outcome rule ("Outcome rule", 1 to 4): the state alone never decides."""
    if said.inner is not None and said.state in FINAL_STATES:
        return _settle_executed(said.state, said.inner)
    match said:
        case ServerRequest(state="rejected"):
            return Settlement(outcome=Outcome.REJECTED, is_final=True)
        case ServerRequest(payload_valid=False, inner=None):
            is_over = said.state in FINAL_STATES
            return Settlement(
                outcome=Outcome.FAILED, is_final=True, is_definite=is_over, error=PAYLOAD_REFUSED
            )
        case ServerRequest(state=state) if state not in FINAL_STATES:
            return Settlement(outcome=Outcome.PENDING, is_final=False)
        case ServerRequest(maker_allowed=False):
            return Settlement(outcome=Outcome.FAILED, is_final=True, is_definite=True, error=NO_MAKER_ACCESS)
        case _:
            return Settlement(outcome=Outcome.UNACCOUNTED, is_final=True, error=NO_OUTPUT)


def _settle_executed(state: str, inner: InnerAnswer) -> Settlement:
    """Rules 1 to 4 for an answer with an output: the whole call's failure, or each customer's reply."""
    replies = _by_customer(inner.replies)
    names_issued = any(_is_issued(reply) for reply in replies.values())
    has_status = inner.status is not None
    call_failed = (
        inner.error is not None
        or (has_status and inner.status not in _HTTP_SUCCESS)
        or (has_status and not inner.has_data)
    )
    if not names_issued:
        if state == "rejected":
            return Settlement(outcome=Outcome.REJECTED, is_final=True, error=inner.error)
        if call_failed:
            return _failed_call(inner)
        if not inner.has_data:  # neither a status nor data: nothing is proven, so nothing may be retried
            return Settlement(outcome=Outcome.UNACCOUNTED, is_final=True, error=NO_OUTPUT)
    # Rule 4: issued ids beat every word of failure, or a retry would issue them twice.
    contradicts = names_issued and (call_failed or state != "approved")
    return Settlement(
        outcome=None, is_final=True, error=CONTRADICTION if contradicts else None, replies=replies
    )


def _failed_call(inner: InnerAnswer) -> Settlement:
    """Tell a definite refusal from a failure (5xx) or a repeat (809) that may hide an execution."""
    code = "" if inner.status is None else str(inner.status)
    error = inner.error or ServerError(code=code, message="the inner call failed")
    is_refusal = (inner.error is not None or inner.status in _HTTP_REFUSAL) and (
        inner.status is None or inner.status in _HTTP_SUCCESS or inner.status in _HTTP_REFUSAL
    )
    is_definite = is_refusal and error.code != REPEATED_REQUEST_ID and not _SERVER_ERROR.fullmatch(error.code)
    return Settlement(outcome=Outcome.FAILED, is_final=True, is_definite=is_definite, error=error)


def _by_customer(replies: tuple[Reply, ...]) -> dict[int, Reply]:
    """Key replies by customer, for the server reorders them; of two for one customer an issued id wins."""
    keyed: dict[int, Reply] = {}
    for reply in replies:
        earlier = keyed.get(reply.customer_id)
        if earlier is None or not _is_issued(earlier):
            keyed[reply.customer_id] = reply
    return keyed


def _is_issued(reply: Reply) -> bool:
    return bool(reply.issued_id) and reply.error is None


def row_outcome(stage: Stage, settlement: Settlement, customer_id: int) -> RowOutcome:
    """Say what became of one customer of a request."""
    whole = settlement.error or NO_ERROR
    match stage:
        case Stage.NOT_SENT:
            return RowOutcome(outcome=Outcome.NOT_SENT, error=whole)
        case Stage.SENDING | Stage.IN_DOUBT:
            return RowOutcome(outcome=Outcome.IN_DOUBT, error=whole)
        case Stage.REFUSED | Stage.SPLIT | Stage.RETRIED:
            return RowOutcome(outcome=Outcome.FAILED, error=whole)
        case Stage.SUBMITTED if settlement.outcome is not None:
            return RowOutcome(outcome=settlement.outcome, error=whole)
        case Stage.SUBMITTED:
            return _reply_outcome(settlement.replies.get(customer_id), whole)


def _reply_outcome(reply: Reply | None, whole: ServerError) -> RowOutcome:
    match reply:
        case Reply(error=ServerError() as error):  # rule 3: an error counts even beside an issued id
            return RowOutcome(outcome=Outcome.ISSUE_FAILED, error=error)
        case Reply(issued_id=str() as issued_id, error=None) if issued_id:
            return RowOutcome(outcome=Outcome.ISSUED, issued_id=issued_id, error=whole)
        case _:  # not named, or nothing said: never success
            return RowOutcome(outcome=Outcome.UNACCOUNTED, error=NOT_NAMED)


def may_be_retried(stage: Stage, outcome: Outcome | None, *, doubts: int, is_definite: bool) -> bool:
    """Tell whether the rows may be sent again under a new id: every attempt was definitely refused."""
    if stage is Stage.REFUSED:
        return not doubts
    return stage is Stage.SUBMITTED and outcome is Outcome.FAILED and is_definite
