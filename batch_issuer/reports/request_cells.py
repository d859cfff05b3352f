"""What the lines of a request's rows have in common."""

from batch_issuer.batch.outcomes import RowOutcome
from batch_issuer.ledger import RequestRecord
from batch_issuer.reports.files import Line, protect


def request_cells_before(record: RequestRecord, outcome: RowOutcome) -> Line:
    """Write what stands between the customer and the issued id in the lines of a request's rows."""
    return (
        record.group.badge_meta_id,
        outcome.outcome.value,
        record.request_id,
        protect(record.workflow_request_id or ""),
        protect(record.state),
    )


def request_cells_behind(record: RequestRecord, outcome: RowOutcome) -> Line:
    """Write what stands behind the issued id in the lines of a request's rows."""
    return (
        protect(outcome.error.code),
        protect(outcome.error.message),
        record.attempts,
        record.submitted_at,
        record.updated_at,
    )
