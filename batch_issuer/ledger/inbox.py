"""Queries on batches whose files came through a watched folder."""

from sqlalchemy import Connection, select

from batch_issuer.ledger import tables
from batch_issuer.ledger.batches import Batch
from batch_issuer.ledger.requests import IS_OPEN

_known = tables.batches.c


def knows_lease(connection: Connection, name: str) -> bool:
    """Tell whether a lease was ever taken in this ledger."""
    query = select(tables.leases.c.name).where(tables.leases.c.name == name)
    return connection.execute(query).one_or_none() is not None


def unmoved_batches(connection: Connection, folder_id: str) -> list[Batch]:
    """Return the batches of a folder whose files are not where they go yet, the earliest first."""
    rows = connection.execute(
        select(tables.batches)
        .where(_known.inbox_file.startswith(f"{folder_id}/", autoescape=True), _known.inbox_moved == 0)
        .order_by(_known.batch)
    )
    return [Batch.from_row(row) for row in rows]


def unmoved_batch_of(connection: Connection, inbox_file: str) -> Batch | None:
    """Return the batch of one file that is not where it goes yet."""
    query = select(tables.batches).where(_known.inbox_file == inbox_file, _known.inbox_moved == 0)
    row = connection.execute(query.order_by(_known.batch).limit(1)).one_or_none()
    return None if row is None else Batch.from_row(row)


def open_moved_batches(connection: Connection, folder_id: str, *, since: str) -> list[Batch]:
    """Return the batches of a folder made since a time, with files in their places and open requests."""
    is_open = select(tables.requests.c.batch).where(IS_OPEN).scalar_subquery()
    rows = connection.execute(
        select(tables.batches)
        .where(_known.inbox_file.startswith(f"{folder_id}/", autoescape=True), _known.inbox_moved == 1)
        .where(_known.created_at >= since, _known.batch.in_(is_open))
        .order_by(_known.batch)
    )
    return [Batch.from_row(row) for row in rows]
