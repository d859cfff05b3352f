"""Queries on the rows that requests carry, with what the server said of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from sqlalchemy import Connection, RowMapping, and_, select

from batch_issuer.batch.ids import BatchId
from batch_issuer.batch.outcomes import Settlement
from batch_issuer.batch.requests import CustomerIds, RowNumbers
from batch_issuer.ledger import tables
from batch_issuer.ledger.packing import unpack_customers, unpack_replies, unpack_rows
from batch_issuer.ledger.requests import PLACE, RequestRecord

_known = tables.requests.c

requests_with_rows = (
    select(
        tables.requests,
        tables.request_rows.c.customers.label("packed"),
        tables.request_rows.c.rows,
        tables.workflow_requests.c.replies,
    )
    .join(tables.request_rows, _known.request_id == tables.request_rows.c.request_id)
    .outerjoin(
        tables.workflow_requests,
        and_(
            _known.request_id == tables.workflow_requests.c.request_id,
            _known.workflow_request_id == tables.workflow_requests.c.workflow_request_id,
        ),
    )
)
"""Requests that own rows, with what the server replied."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RequestRows:
    """One request with its rows and what the server said of them."""

    record: RequestRecord
    customers: CustomerIds
    rows: RowNumbers
    settlement: Settlement

    @classmethod
    def from_row(cls, facts: RowMapping) -> Self:
        """Read a row of `requests_with_rows`."""
        record = RequestRecord.from_row(facts)
        return cls(
            record=record,
            customers=unpack_customers(facts["packed"]),
            rows=unpack_rows(facts["rows"]),
            settlement=settlement_of(record, facts["replies"]),
        )


def settlement_of(record: RequestRecord, replies: bytes | None) -> Settlement:
    """Return what is known of a request's rows, given its packed replies."""
    return record.settlement(unpack_replies(replies) if replies else ())


def iterate_request_rows(connection: Connection, batch: BatchId) -> Iterator[RequestRows]:
    """Yield the requests of a batch that own rows, with these and what was replied, by chunk."""
    query = requests_with_rows.where(_known.batch == batch).order_by(*PLACE)
    for facts in connection.execute(query.execution_options(yield_per=200)).mappings():
        yield RequestRows.from_row(facts)
