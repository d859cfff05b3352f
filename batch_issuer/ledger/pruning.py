"""Queries that prune batches: one that is over for good keeps only what guards its customers and content.

That is the batch with its figures, its requests, and the customers that each carries: 8 bytes a customer.
Of what the server said only errors of customers stay: nothing else lets a customer go.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, and_, delete, exists, insert, or_, select, update

from batch_issuer.batch.ids import BatchId, RequestId
from batch_issuer.batch.outcomes import Reply, ServerError
from batch_issuer.batch.stages import Stage
from batch_issuer.clock import format_instant
from batch_issuer.ledger import tables
from batch_issuer.ledger.batches import Batch, BatchStage, update_batch
from batch_issuer.ledger.packing import pack_replies, unpack_replies

_REQUESTS_AT_ONCE: Final = 500
_BLOCKS_AT_ONCE: Final = 20
_BLOCKS: Final = (tables.problems, tables.duplicates, tables.held_rows)
_batch = tables.batches.c
_known = tables.requests.c
_said = tables.workflow_requests.c

_may_change = or_(
    _known.stage.in_([Stage.NOT_SENT, Stage.SENDING, Stage.IN_DOUBT]),
    and_(_known.stage == Stage.SUBMITTED, _known.is_final == 0),
    exists().where(_said.request_id == _known.request_id, _said.is_final == 0),
)
_is_over = and_(
    or_(_batch.inbox_file == "", _batch.inbox_moved == 1),  # else its reports are still to be moved
    or_(
        _batch.stage == BatchStage.REFUSED,
        and_(
            _batch.stage == BatchStage.ACCEPTED,
            ~exists().where(_known.batch == _batch.batch).where(_may_change),
        ),
    ),
)


def prunable_batches(connection: Connection, before: datetime) -> list[Batch]:
    """Return the batches that are over for good, and were last written about before an instant."""
    last = format_instant(before)
    query = (
        select(tables.batches)
        .where(_batch.pruned_at == "", _batch.created_at <= last, _batch.finished_at <= last)
        .where(_is_over)
        .order_by(_batch.batch)
    )
    return [Batch.from_row(row) for row in connection.execute(query)]


def pruned_batches(connection: Connection) -> list[Batch]:
    """Return the batches whose pruning has begun, the oldest first."""
    query = select(tables.batches).where(_batch.pruned_at > "").order_by(_batch.batch)
    return [Batch.from_row(row) for row in connection.execute(query)]


def begin_pruning(connection: Connection, batch: BatchId, *, at: str, figures: Mapping[str, Any]) -> bool:
    """Note that a batch is pruned, with its figures: from now on nothing works on it.

    Does nothing and returns False where it is pruned already, or not over for good.
    """
    query = select(_batch.batch).where(_batch.batch == batch, _batch.pruned_at == "").where(_is_over)
    if connection.execute(query).one_or_none() is None:
        return False
    update_batch(connection, batch, {"pruned_at": at, "pruning": 1, "figures": dict(figures)})
    return True


def prune_requests(connection: Connection, batch: BatchId, after: str) -> str:
    """Take from some requests of a batch what no guard needs; return the last of them, or nothing.

    One call stays within a short transaction, and may be repeated.
    """
    query = select(_known.request_id).where(_known.batch == batch, _known.request_id > after)
    ids = connection.execute(query.order_by(_known.request_id).limit(_REQUESTS_AT_ONCE)).scalars().all()
    if not ids:
        return ""
    connection.execute(delete(tables.attempts).where(tables.attempts.c.request_id.in_(ids)))
    rows = tables.request_rows
    connection.execute(update(rows).where(rows.c.request_id.in_(ids)).values(rows=b""))
    kept = _errors_of(connection, ids)
    connection.execute(delete(tables.workflow_requests).where(_said.request_id.in_(ids)))
    if kept:
        connection.execute(insert(tables.workflow_requests), kept)
    return str(ids[-1])


def _errors_of(connection: Connection, ids: Sequence[RequestId]) -> list[dict[str, Any]]:
    """Return what the server said that lets customers go: errors of single ones, without their words."""
    query = (
        select(tables.workflow_requests)
        .join(tables.requests, _known.request_id == _said.request_id)
        .where(_said.request_id.in_(ids), _said.workflow_request_id == _known.workflow_request_id)
        .where(_said.replies.is_not(None))
    )
    kept = []
    for facts in connection.execute(query).mappings():
        errors = [
            Reply(customer_id=reply.customer_id, issued_id=None, error=ServerError(code=reply.error.code))
            for reply in unpack_replies(facts["replies"])
            if reply.error is not None
        ]
        if errors:
            kept.append({**facts, "error_message": "", "replies": pack_replies(errors)})
    return kept


def prune_blocks(connection: Connection, batch: BatchId) -> bool:
    """Delete some problems, duplicates and held rows of a batch; return whether there may be more."""
    for table in _BLOCKS:
        query = select(table.c.block).where(table.c.batch == batch).limit(_BLOCKS_AT_ONCE)
        blocks = connection.execute(query).scalars().all()
        if blocks:
            connection.execute(delete(table).where(table.c.batch == batch, table.c.block.in_(blocks)))
            return True
    return False


def end_pruning(connection: Connection, batch: BatchId) -> None:
    """Note that nothing of a batch is left to be removed from the ledger."""
    update_batch(connection, batch, {"pruning": 0})
