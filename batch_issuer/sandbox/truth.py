"""The simulator's own account of what happened, free of credentials, for tests in other processes."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from batch_issuer.sandbox.records import CustomerResult, Record, Result

_Group = tuple[str, str | None, str | None]

_TOO_MANY_REQUESTS = 429
_FIRST_ERROR_STATUS = 400


@dataclass(slots=True, kw_only=True)
class Tally:
    """What became of the calls of one kind; one that is accepted is never counted as refused.

    A call that a fault delivers twice is received once, and accepted or refused twice.
    """

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


def truth_of(
    records: Sequence[Record], *, posts: Tally, calls: Mapping[str, int], strays: Mapping[str, int]
) -> dict[str, Any]:
    """Give the whole account as JSON values; `strays` followed a redirect to another port."""
    return {
        "requests": [_record(record) for record in records],
        "created": dict(Counter(record.request_id for record in records)),
        "issued": _issued(records),
        "posts": asdict(posts),
        "calls": dict(calls),
        "strays": dict(strays),
    }


def _issued(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Count for each (customer, group) the executed requests that issued, or would have issued again.

    That a customer holds an issue of the same group, made here, is luck: another server might not look.
    Issues from before the sandbox opened, and those of another group, are no repetition.
    """
    groups: dict[str, _Group] = {}
    for record, result in _results(records):
        if result.result is Result.ISSUED and result.issued_id is not None:
            groups[result.issued_id] = _group(record)
    times = Counter(
        (result.customer_id, *_group(record))
        for record, result in _results(records)
        if result.issued_id is not None and groups.get(result.issued_id) == _group(record)
    )
    names = ("customer_id", "badge_meta_id", "owner_type", "reference_id")
    return [{**dict(zip(names, key, strict=True)), "times": count} for key, count in times.items()]


def _results(records: Iterable[Record]) -> Iterator[tuple[Record, CustomerResult]]:
    for record in records:
        for result in record.execution.results if record.execution else ():
            yield record, result


def _group(record: Record) -> _Group:
    return record.badge_meta_id, record.owner_type, record.reference_id


def _record(record: Record) -> dict[str, Any]:
    execution = record.execution
    error = execution.error if execution else None
    return {
        "workflow_request_id": record.workflow_request_id,
        "request_id": record.request_id,
        "badge_meta_id": record.badge_meta_id,
        "customers": list(record.customers),
        "state": record.state.value,
        "executed": execution is not None,
        "accepted_at": record.accepted_at,
        "ended_at": record.ended_at,
        "error_code": error.code if error else None,
        "results": [
            {"customer_id": one.customer_id, "result": one.result.value, "issued_id": one.issued_id}
            for one in (execution.results if execution else ())
        ],
    }
