"""What a checker may decide of a batch, and how it is told what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.batch.ids import BatchId, WorkflowRequestId
from batch_issuer.batch.outcomes import Outcome
from batch_issuer.batch.stages import Stage
from batch_issuer.batch.twins import Twin
from batch_issuer.ledger import RequestRecord
from batch_issuer.ledger.requests import iterate_records, open_requests
from batch_issuer.ledger.workflow_requests import twins_of
from batch_issuer.submission import Stop

WAITING: Final = "AdminTask"
"""The one state in which a request can be decided; a request in any other is left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a checker says of every request that waits."""

    approve: bool
    message: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What became of the requests that the server has of a batch."""

    approve: bool
    decided: int
    already: int
    """Those that were decided before, or by somebody else meanwhile."""
    waiting: int
    waiting_twins: int
    """Requests that are decided, and have a twin that waits."""
    stop: Stop | None = None
    """Why some of them were not decided, where that is known."""

    @property
    def exit_code(self) -> ExitCode | None:
        """What this means beside the batch's counts."""
        if self.stop is not None and self.stop.exit_code is not None:
            return self.stop.exit_code
        return ExitCode.NOT_FINISHED if self.waiting else None

    @property
    def message(self) -> str:
        """Say it in one line."""
        verdict = "approved" if self.approve else "rejected"
        told = [f"requests {verdict}: {self.decided:,}"]
        if not (self.decided or self.waiting or self.stop):
            told = ["nothing waits for a decision"]
        told += [f"decided already: {self.already:,}", f"still waiting: {self.waiting:,}"]
        if self.waiting_twins:
            told.append(f"decided, with a twin that waits and is best rejected: {self.waiting_twins:,}")
        if self.stop is not None:
            told.append(self.stop.message)
        return "; ".join(told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One workflow request to decide."""

    record: RequestRecord
    workflow_request_id: WorkflowRequestId


def twins_to_decide(twins: Sequence[Twin], *, approve: bool) -> Sequence[Twin]:
    """Choose among the twins of a request: each that waits to reject, at most one of them to approve.

    None is approved beside one that ran or may have run: whatever is neither waiting nor rejected.
    """
    waiting = [twin for twin in twins if _waits(twin)]
    if not approve:
        return waiting
    is_clear = all(_waits(twin) or twin.outcome is Outcome.REJECTED for twin in twins)
    return waiting[:1] if is_clear else []


def _waits(twin: Twin) -> bool:
    return twin.state == WAITING and not twin.is_final


def find_cases(connection: Connection, batch: BatchId, *, approve: bool) -> list[Case]:
    """Find what is to be decided, in order of chunks.

    The rows of a split or retried request are another's now: it is never approved.
    """
    return [
        Case(record=record, workflow_request_id=twin.workflow_request_id)
        for record in open_requests(connection, batch)
        if not approve or record.stage is Stage.SUBMITTED
        for twin in twins_to_decide(twins_of(connection, record.request_id), approve=approve)
    ]


def submitted_requests(connection: Connection, batch: BatchId) -> list[RequestRecord]:
    """Return the requests that the server has, and whose rows are theirs still."""
    return [record for record in iterate_records(connection, batch) if record.stage is Stage.SUBMITTED]


def count_waiting_twins(connection: Connection, batch: BatchId) -> int:
    """Count requests that need no decision for their rows, and have a twin that waits for one."""
    return sum(
        any(_waits(twin) for twin in twins_of(connection, record.request_id))
        for record in open_requests(connection, batch)
        if record.is_final or record.stage is not Stage.SUBMITTED
    )
