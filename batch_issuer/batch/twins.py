"""Twins: which of several workflow requests that carry one request id counts for its rows."""

from collections.abc import Iterable
from dataclasses import dataclass

from batch_issuer.batch.ids import WorkflowRequestId
from batch_issuer.batch.outcomes import (
    NO_ERROR,
    REPEATED_REQUEST_ID,
    Outcome,
    ServerError,
    ServerRequest,
    Settlement,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """One workflow request, and what its words mean for the rows; `outcome` None: each reply decides."""

    workflow_request_id: WorkflowRequestId
    state: str
    outcome: Outcome | None
    is_final: bool
    is_definite: bool
    error: ServerError


def twin_of(said: ServerRequest, settlement: Settlement) -> Twin:
    """Make a twin of what the server says of a request."""
    return Twin(
        workflow_request_id=said.workflow_request_id,
        state=said.state,
        outcome=settlement.outcome,
        is_final=settlement.is_final,
        is_definite=settlement.is_definite,
        error=settlement.error or NO_ERROR,
    )


def rank(twin: Twin) -> int:
    """Order twins: the one that ran, then one that waits, then rejected, then failed, then 809."""
    match twin:
        case Twin(outcome=None):
            return 0
        case Twin(outcome=Outcome.UNACCOUNTED):  # final without a result: it may have run
            return 1
        case Twin(is_final=False):
            return 2
        case Twin(outcome=Outcome.REJECTED):
            return 3
        case Twin(error=ServerError(code=code)) if code == REPEATED_REQUEST_ID:
            return 5
        case _:
            return 4


def choose_twin(twins: Iterable[Twin]) -> Twin:
    """Return the twin that counts for the rows; of equal ones the first."""
    return min(twins, key=rank)
