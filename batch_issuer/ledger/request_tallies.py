"""The requests of all accepted batches in figures: counted by the database, in one pass."""

from dataclasses import dataclass

from sqlalchemy import Connection, case, func, select

from batch_issuer.batch.ids import BatchId
from batch_issuer.batch.outcomes import Outcome
from batch_issuer.batch.stages import Stage
from batch_issuer.ledger import tables
from batch_issuer.ledger.batches import BatchStage

_known, _of = tables.requests.c, tables.batches.c


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKind:
    """The requests that are alike in what is known of them."""

    stage: Stage
    state: str
    http_status: int | None
    requests: int
    attempts: int
    pending_since: str
    """When the first of those that wait for a checker was submitted; empty where none waits."""


def tally_requests(connection: Connection, *, base_url: str, org_id: str) -> list[RequestKind]:
    """Count the requests of all accepted batches of a server and organisation."""
    is_pending = (_known.stage == Stage.SUBMITTED) & (_known.outcome == Outcome.PENDING)
    since = func.min(case((is_pending & (_known.submitted_at != ""), _known.submitted_at)))
    rows = connection.execute(
        select(_known.stage, _known.state, _known.http_status, func.count(), func.sum(_known.attempts), since)
        .join(tables.batches, _of.batch == _known.batch)
        .where(_of.base_url == base_url, _of.org_id == org_id, _of.stage == BatchStage.ACCEPTED)
        .group_by(_known.stage, _known.state, _known.http_status)
    )
    return [
        RequestKind(
            stage=Stage(stage),
            state=state,
            http_status=status,
            requests=requests,
            attempts=int(attempts),
            pending_since=first or "",
        )
        for stage, state, status, requests, attempts, first in rows
    ]


def latest_changes(connection: Connection, *, since: str) -> dict[BatchId, str]:
    """Tell when a request of each batch that was made since some time last changed."""
    rows = connection.execute(
        select(_known.batch, func.max(_known.updated_at))
        .join(tables.batches, _of.batch == _known.batch)
        .where(_of.created_at >= since)
        .group_by(_known.batch)
    )
    return {BatchId(batch): latest for batch, latest in rows}
