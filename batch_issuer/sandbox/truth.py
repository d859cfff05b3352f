"""The simulator's own account of what happened, free of credentials, for tests in other processes."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from batch_issuer.sandbox.records import Record

_TOO_MANY_REQUESTS = 429
_FIRST_ERROR_STATUS = 400


@dataclass(slots=True, kw_only=True)
class Tally:
    """What became of the calls of one kind; one that is accepted is never counted as refused."""

    received: int = 0
    accepted: int = 0
    refused: int = 0
    rate_limited: int = 0

    def count_refusal(self, status: int) -> None:
        """Count a call that was answered with an error status; other answers are no refusals."""
        if status == _TOO_MANY_REQUESTS:
            self.rate_limited += 1
        elif status >= _FIRST_ERROR_STATUS:
            self.refused += 1


def truth_of(records: Iterable[Record], *, posts: Tally, calls: Mapping[str, int]) -> dict[str, Any]:
    """Give the whole account as JSON values."""
    return {
        "requests": [_record(record) for record in records],
        "posts": asdict(posts),
        "calls": dict(calls),
    }


def _record(record: Record) -> dict[str, Any]:
    execution = record.execution
    error = execution.error if execution else None
    return {
        "workflow_request_id": record.workflow_request_id,
        "request_id": record.request_id,
        "badge_meta_id": record.badge_meta_id,
        "customers": list(record.customers),
        "state": record.state.value,
        "accepted_at": record.accepted_at,
        "ended_at": record.ended_at,
        "error_code": error.code if error else None,
        "results": [
            {"customer_id": one.customer_id, "result": one.result.value, "issued_id": one.issued_id}
            for one in (execution.results if execution else ())
        ],
    }
