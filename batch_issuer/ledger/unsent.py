"""Queries on requests as they were planned, with their rows: above all those that are still to be sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, select, tuple_

from batch_issuer.batch.ids import BatchId, RequestId
from batch_issuer.batch.requests import Group, IssueRequest
from batch_issuer.batch.stages import Stage
from batch_issuer.ledger import tables
from batch_issuer.ledger.dialects import learn_sizes
from batch_issuer.ledger.packing import unpack_customers, unpack_rows
from batch_issuer.ledger.prepared import Prepared
from batch_issuer.ledger.requests import PLACE

_known = tables.requests.c


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unsent:
    """A request that may be sent, and what the ledger has of earlier attempts."""

    request: IssueRequest
    attempts: int = 0
    doubts: int = 0
    spent: int = 0
    """Those of the attempts that count for whoever sends it now."""


PLANNED: Final = select(
    _known.request_id,
    _known.chunk,
    _known.badge_meta_id,
    _known.owner_type,
    _known.reference_id,
    _known.issue_event_date,
    _known.halvings,
    _known.generation,
    tables.request_rows.c.customers,
    tables.request_rows.c.rows,
).join(tables.request_rows, _known.request_id == tables.request_rows.c.request_id)
"""All that makes a request again."""


_unsent = Prepared(
    lambda _: (
        PLANNED.add_columns(_known.attempts, _known.doubts)
        .where(_known.batch == bindparam("batch_"), _known.stage == Stage.NOT_SENT)
        .where(tuple_(*PLACE) > tuple_(bindparam("chunk_"), bindparam("halvings_"), bindparam("generation_")))
        .order_by(*PLACE)
        .limit(bindparam("limit_"))
    )
)


def unsent_requests(
    connection: Connection, batch: BatchId, after: tuple[int, str, int], limit: int
) -> list[Unsent]:
    """Return the next requests that are not sent, after a place in the order of chunks."""
    chunk, halvings, generation = after
    place = {"chunk_": chunk, "halvings_": halvings, "generation_": generation}
    found = _unsent.fetch(connection, {"batch_": batch, "limit_": limit, **place})
    return [Unsent(request=issue_request(row), attempts=row.attempts, doubts=row.doubts) for row in found]


def learn_how_many(connection: Connection) -> None:
    """Let the database look how many requests there are, before the next ones are asked for many times."""
    learn_sizes(connection, tables.requests, tables.request_rows)


def load_requests(
    connection: Connection, batch: BatchId, request_ids: Sequence[RequestId]
) -> list[IssueRequest]:
    """Return requests with their rows, as they were planned."""
    query = PLANNED.where(_known.batch == batch, _known.request_id.in_(request_ids)).order_by(*PLACE)
    return [issue_request(row) for row in connection.execute(query)]


def issue_request(row: Row[*tuple[Any, ...]]) -> IssueRequest:
    """Make a request of what PLANNED selects."""
    return IssueRequest(
        request_id=RequestId(row.request_id),
        chunk=row.chunk,
        group=Group(
            badge_meta_id=row.badge_meta_id,
            owner_type=row.owner_type,
            reference_id=row.reference_id,
            issue_event_date=row.issue_event_date,
        ),
        customers=unpack_customers(row.customers),
        rows=unpack_rows(row.rows),
        halvings=row.halvings,
        generation=row.generation,
    )
