"""`requests.csv`: one line for each request."""

from pathlib import Path
from typing import Final

from batch_issuer.batch.stages import Stage
from batch_issuer.ledger import RequestRecord
from batch_issuer.reports.files import CsvFile, Line, protect

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


def shown_state(record: RequestRecord) -> str:
    """Return the server's word for a request, or ours where it has said none."""
    if record.state:
        return record.state
    match record.stage:
        case Stage.SENDING:
            return Stage.IN_DOUBT.value
        case Stage.REFUSED:
            return "failed"
        case stage:
            return stage.value


def request_line(record: RequestRecord) -> Line:
    """Write one request."""
    group = record.group
    return (
        record.request_id,
        protect(record.workflow_request_id or ""),
        group.badge_meta_id,
        group.owner_type,
        protect(group.reference_id),
        group.issue_event_date,
        record.customers,
        protect(shown_state(record)),
        "" if record.http_status is None else record.http_status,
        protect(record.error.code),
        protect(record.error.message),
        record.attempts,
        record.submitted_at,
        record.updated_at,
    )
