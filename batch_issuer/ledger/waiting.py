"""Queries on what waits for a checker, and on what a day brought."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, case, func, literal, or_, select

from batch_issuer.batch.ids import BatchId
from batch_issuer.batch.outcomes import Outcome
from batch_issuer.batch.stages import Stage
from batch_issuer.clock import format_instant
from batch_issuer.ledger import tables
from batch_issuer.ledger.batches import Batch, BatchStage

_batch = tables.batches.c
_request = tables.requests.c
_since = case((_request.submitted_at != "", _request.submitted_at), else_=_request.updated_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The server and organisation that batches are for."""

    base_url: str
    org_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What of a batch has waited for a checker, as far as the ledger knows."""

    batch: BatchId
    name: str
    input_name: str
    requests: int
    rows: int
    since: datetime
    """When the oldest of it was submitted."""
    seen_at: str
    """When the batch's files were written last: what was decided later is not known."""


def waiting_batches(connection: Connection, *, before: datetime, place: Place | None = None) -> list[Waiting]:
    """Return the batches with requests that were submitted before an instant and wait, the oldest first."""
    oldest = func.min(_since)
    rows = connection.execute(
        select(
            *(_batch.batch, _batch.name, _batch.input_name, _batch.finished_at),
            func.count().label("requests"),
            func.sum(_request.customers).label("rows"),
            oldest.label("since"),
        )
        .join(tables.requests, _request.batch == _batch.batch)
        .where(_request.stage == Stage.SUBMITTED, _request.is_final == 0)
        .where(_request.outcome == Outcome.PENDING, _since <= format_instant(before), _is_at(place))
        .group_by(_batch.batch, _batch.name, _batch.input_name, _batch.finished_at)
        .order_by(oldest, _batch.batch)
    )
    return [
        Waiting(
            batch=BatchId(row.batch),
            name=row.name,
            input_name=row.input_name,
            requests=row.requests,
            rows=row.rows,
            since=datetime.fromisoformat(row.since),
            seen_at=row.finished_at,
        )
        for row in rows
    ]


def batches_with_news(connection: Connection, since: datetime, place: Place | None = None) -> list[Batch]:
    """Return the batches that are newer than an instant, or whose files are, in their order."""
    rows = connection.execute(
        select(tables.batches)
        .where(or_(_batch.created_at > format_instant(since), _batch.finished_at > format_instant(since)))
        .where(_batch.stage != BatchStage.RECORDING)
        .where(_is_at(place))
        .order_by(_batch.batch)
    )
    return [Batch.from_row(row) for row in rows]


def unfinished_at(connection: Connection, place: Place | None = None) -> list[BatchId]:
    """Name the batches with requests that are not sent or in doubt, and those not recorded whole."""
    left = [Stage.NOT_SENT, Stage.SENDING, Stage.IN_DOUBT]
    unsent = select(_request.batch).where(_request.stage.in_(left))
    rows = connection.execute(
        select(_batch.batch)
        .where((_batch.stage == BatchStage.RECORDING) | _batch.batch.in_(unsent))
        .where(_batch.stage != BatchStage.REFUSED, _is_at(place))
        .order_by(_batch.batch)
    )
    return [BatchId(batch) for batch in rows.scalars()]


def _is_at(place: Place | None) -> ColumnElement[bool]:
    if place is None:
        return literal(1) == 1
    return and_(_batch.base_url == place.base_url, _batch.org_id == place.org_id)
