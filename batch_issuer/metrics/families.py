"""The metrics there are, as a table: names and units by the conventions of Prometheus."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What a metric can be."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One metric; labels never hold ids or names of files."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


def _gauge(name: str, text: str, *labels: str) -> Family:
    return Family(name=f"batch_issuer_{name}", kind=Kind.GAUGE, help=text, labels=labels)


def _counter(name: str, text: str, *labels: str) -> Family:
    return Family(name=f"batch_issuer_{name}", kind=Kind.COUNTER, help=text, labels=labels)


BUILD = _gauge("build_info", "The version that wrote these metrics; always 1.", "version")

ROWS = _gauge("rows", "Rows of the batches of the last 30 days, by outcome.", "outcome")
REQUESTS = _gauge(
    "requests",
    "Requests, by the server's state, or ours where it has said none; unknown ones are other.",
    "state",
)
STATUSES = _gauge("requests_by_status", "Requests by the HTTP status of their last answer.", "http_status")
ATTEMPTS = _counter("attempts_total", "Attempts to submit the requests that the ledger holds.")
UNFINISHED = _gauge("unfinished_batches", "Batches that resume goes on with.")
PENDING_SECONDS = _gauge(
    "oldest_pending_approval_seconds",
    "How long the oldest request had waited for a checker when this was written; 0 where none waits.",
)
PENDING_SINCE = _gauge(
    "oldest_pending_approval_timestamp_seconds",
    "When the request that has waited longest for a checker was submitted; absent where none waits.",
)
LAST_SUCCESS = _gauge(
    "last_success_timestamp_seconds",
    "When the latest batch ended with exit code 0 or 4; absent where none has.",
)
OF_THE_LEDGER: Final = (
    *(ROWS, REQUESTS, STATUSES, ATTEMPTS),
    *(UNFINISHED, PENDING_SECONDS, PENDING_SINCE, LAST_SUCCESS),
)

LAST_RUN = _gauge("last_run_timestamp_seconds", "When the last run of a command ended.", "command")
LAST_CODE = _gauge("last_run_exit_code", "The exit code of the last run of a command.", "command")
LAST_SECONDS = _gauge("last_run_duration_seconds", "How long the last run of a command took.", "command")
OF_RUNS: Final = (LAST_RUN, LAST_CODE, LAST_SECONDS)

PACE = _gauge(
    "pace_utilisation_ratio",
    "API calls made while sending, as a share of those that the rate allows; of the last run that sent.",
)
RESPONSES = _counter(
    "responses_total",
    "Answers of the API, by operation and HTTP status; none stands for no answer.",
    "operation",
    "http_status",
)
DURATION = Family(
    name="batch_issuer_request_duration_seconds",
    kind=Kind.HISTOGRAM,
    help="How long exchanges with the API took, by operation.",
    labels=("operation",),
)
OF_THE_API: Final = (PACE, RESPONSES, DURATION)

FAMILIES: Final = (BUILD, *OF_THE_LEDGER, *OF_RUNS, *OF_THE_API)
