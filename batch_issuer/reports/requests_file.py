"""`requests.csv`: one line for each request."""

from pathlib import Path
from typing import Final

import pyarrow as pa

from batch_issuer.batch.stages import Stage
from batch_issuer.ledger.request_columns import RequestColumns
from batch_issuer.reports.cells import cells, ended, joined, numbers, protected_cells, texts_of
from batch_issuer.reports.files import CsvFile

REQUEST_COLUMNS: Final = (
    "request_id",
    "workflow_request_id",
    "badge_meta_id",
    "owner_type",
    "reference_id",
    "issue_event_date",
    "customers",
    "state",
    "http_status",
    "error_code",
    "error_message",
    "attempts",
    "submitted_at",
    "updated_at",
)


def requests_file(folder: Path) -> CsvFile:
    """Open the file of requests, in order of their chunks."""
    return CsvFile(folder / "requests.csv", lambda: REQUEST_COLUMNS)


def shown_state(stage: str, state: str) -> str:
    """Return the server's word for a request, or ours where it has said none."""
    if state:
        return state
    match stage:
        case Stage.SENDING:
            return Stage.IN_DOUBT.value
        case Stage.REFUSED:
            return "failed"
        case _:
            return stage


def shown_states(requests: RequestColumns) -> list[str]:
    """Return the word for each of some requests."""
    return [shown_state(stage, state) for stage, state in zip(requests.stage, requests.state, strict=True)]


def request_lines(requests: RequestColumns) -> pa.Array:
    """Write some requests, the ends of their lines included."""
    return joined(
        cells(texts_of(requests.request_id)),
        protected_cells(texts_of(requests.workflow_request_id)),
        cells(texts_of(requests.badge_meta_id)),
        cells(texts_of(requests.owner_type)),
        protected_cells(texts_of(requests.reference_id)),
        cells(texts_of(requests.issue_event_date)),
        numbers(pa.array(requests.customers)),
        protected_cells(texts_of(shown_states(requests))),
        numbers(pa.array(requests.http_status, pa.int64())),
        protected_cells(texts_of(requests.error_code)),
        protected_cells(texts_of(requests.error_message)),
        numbers(pa.array(requests.attempts)),
        texts_of(requests.submitted_at),
        ended(texts_of(requests.updated_at)),
    )
