"""Queries that give the rows of one batch as they stand in the tables, few of them in memory at a time."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy import Connection, Select, select

from batch_issuer.batch.ids import BatchId
from batch_issuer.ledger import tables
from batch_issuer.ledger.packing import unpack_replies
from batch_issuer.ledger.requests import PLACE

_AT_ONCE: Final = 200
_known = tables.requests.c
Facts = Mapping[str, Any]


def iterate_requests(connection: Connection, batch: BatchId) -> Iterator[Facts]:
    """Yield the requests of a batch in order of chunks."""
    yield from _rows(connection, select(tables.requests).where(_known.batch == batch).order_by(*PLACE))


def iterate_attempts(connection: Connection, batch: BatchId) -> Iterator[Facts]:
    """Yield the attempts to send each request of a batch."""
    attempt = tables.attempts.c
    query = (
        select(tables.attempts)
        .join(tables.requests, _known.request_id == attempt.request_id)
        .where(_known.batch == batch)
        .order_by(*PLACE, attempt.attempt)
    )
    yield from _rows(connection, query)


def iterate_said(connection: Connection, batch: BatchId) -> Iterator[Facts]:
    """Yield the workflow requests of a batch, each with what it says of each customer."""
    said = tables.workflow_requests.c
    query = (
        select(tables.workflow_requests)
        .join(tables.requests, _known.request_id == said.request_id)
        .where(_known.batch == batch)
        .order_by(*PLACE, said.workflow_request_id)
    )
    for facts in _rows(connection, query):
        yield {**facts, "replies": _told(facts["replies"])}


def _rows(connection: Connection, query: Select[tuple[object, ...]]) -> Iterator[Facts]:
    for facts in connection.execute(query.execution_options(yield_per=_AT_ONCE)).mappings():
        yield {str(name): value for name, value in facts.items()}


def _told(packed: bytes | None) -> list[dict[str, Any]] | None:
    if packed is None:
        return None
    return [
        {
            "customer_id": reply.customer_id,
            "issued_id": reply.issued_id,
            "error": None if reply.error is None else [reply.error.code, reply.error.message],
        }
        for reply in unpack_replies(packed)
    ]
