"""Queries on customers that other batches hold: who holds them, and which rows are not sent for that."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from sqlalchemy import Connection, RowMapping, Select, and_, func, insert, select, tuple_

from batch_issuer.batch.holding import NOTHING_HELD, HeldRows, OtherRequest
from batch_issuer.batch.ids import BatchId, RequestId
from batch_issuer.batch.requests import Group
from batch_issuer.ledger import tables
from batch_issuer.ledger.batches import Batch, BatchStage
from batch_issuer.ledger.packing import (
    pack_customers,
    pack_holders,
    pack_rows,
    unpack_customers,
    unpack_holders,
    unpack_rows,
)
from batch_issuer.ledger.request_rows import RequestRows, requests_with_rows, settlement_of
from batch_issuer.ledger.requests import PLACE, RequestRecord

_ROWS_IN_BLOCK: Final = 100_000
_GROUPS_IN_QUERY: Final = 100
_IDS_IN_QUERY: Final = 500
_known = tables.requests.c
_GROUP = (_known.badge_meta_id, _known.owner_type, _known.reference_id, _known.issue_event_date)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardMark:
    """Changes whenever requests that were not there before may hold customers; it never comes back."""

    accepted: int
    replaced: int


def guard_mark(connection: Connection, batch: Batch) -> GuardMark:
    """Read the mark: how many batches of the server are accepted, and how many requests replace others."""
    known = tables.batches.c
    of_server = and_(known.base_url == batch.base_url, known.org_id == batch.org_id)
    accepted = select(func.count()).where(of_server, known.stage == BatchStage.ACCEPTED)
    replaced = select(func.count()).where(_known.origin > "")
    return GuardMark(
        accepted=connection.execute(accepted).scalar_one(), replaced=connection.execute(replaced).scalar_one()
    )


def iterate_others(connection: Connection, batch: Batch, groups: Sequence[Group]) -> Iterator[OtherRequest]:
    """Yield what other accepted batches of the same server and organisation have of some groups.

    They come group by group, and inside a group the earliest batch first.
    """
    return iterate_requests_of(
        connection, groups, base_url=batch.base_url, org_id=batch.org_id, besides=batch.batch
    )


def iterate_requests_of(
    connection: Connection,
    groups: Sequence[Group],
    *,
    base_url: str,
    org_id: str,
    besides: BatchId | None = None,
) -> Iterator[OtherRequest]:
    """Yield what accepted batches of a server and organisation, besides one, have of some groups."""
    known = tables.batches.c
    query = (
        requests_with_rows.join(tables.batches, _known.batch == known.batch)
        .where(known.base_url == base_url, known.org_id == org_id)
        .where(known.stage == BatchStage.ACCEPTED, known.batch != (besides or ""))
        .order_by(*_GROUP, _known.batch, *PLACE)
    )
    for at in range(0, len(groups), _GROUPS_IN_QUERY):
        keys = [
            (group.badge_meta_id, group.owner_type, group.reference_id, group.issue_event_date)
            for group in groups[at : at + _GROUPS_IN_QUERY]
        ]
        of_groups = query.where(tuple_(*_GROUP).in_(keys))
        for facts in connection.execute(of_groups.execution_options(yield_per=500)).mappings():
            yield _other(facts)


def _other(facts: RowMapping) -> OtherRequest:
    record = RequestRecord.from_row(facts)
    return OtherRequest(
        request_id=record.request_id,
        group=record.group,
        customers=unpack_customers(facts["packed"]),
        stage=record.stage,
        settlement=partial(settlement_of, record, facts["replies"]),
    )


def insert_held_rows(connection: Connection, batch: BatchId, held: HeldRows, *, block: int = 0) -> int:
    """Record which rows are not sent, and which request of another batch holds their customers.

    They are recorded from a block on; returns the number of the next one.
    """
    blocks = [
        {
            "batch": batch,
            "block": block + at // _ROWS_IN_BLOCK,
            "rows": pack_rows(held.rows[at : at + _ROWS_IN_BLOCK]),
            "customers": pack_customers(held.customers[at : at + _ROWS_IN_BLOCK]),
            "holders": pack_holders(held.request_ids, held.holders[at : at + _ROWS_IN_BLOCK]),
        }
        for at in range(0, len(held), _ROWS_IN_BLOCK)
    ]
    if blocks:
        connection.execute(insert(tables.held_rows), blocks)
    return block + len(blocks)


def load_held_rows(connection: Connection, batch: BatchId) -> HeldRows:
    """Return the held rows of a batch: 16 bytes a row, and each request id once."""
    known = tables.held_rows.c
    query = (
        select(known.rows, known.customers, known.holders).where(known.batch == batch).order_by(known.block)
    )
    place_of: dict[RequestId, int] = {}
    rows, customers, holders = [NOTHING_HELD.rows], [NOTHING_HELD.customers], [NOTHING_HELD.holders]
    for packed_rows, packed_customers, packed_holders in connection.execute(query):
        rows.append(unpack_rows(packed_rows))
        customers.append(unpack_customers(packed_customers))
        request_ids, places = unpack_holders(packed_holders)
        renumbered = [place_of.setdefault(request_id, len(place_of)) for request_id in request_ids]
        holders.append(np.array(renumbered, dtype=np.int32)[places])
    return HeldRows(
        rows=np.concatenate(rows),
        customers=np.concatenate(customers),
        holders=np.concatenate(holders),
        request_ids=tuple(place_of),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Carrier:
    """A request that carries rows now, of those that `holder` once carried."""

    holder: RequestId
    batch: BatchId
    request: RequestRows
    is_pruned: bool
    """Whether its batch was pruned: nothing can be done about it any more."""


def iterate_carriers(connection: Connection, holders: Sequence[RequestId]) -> Iterator[Carrier]:
    """Yield what carries now the rows of some requests: these themselves, their halves, or their retries."""
    for at in range(0, len(holders), _IDS_IN_QUERY):
        query = _carriers(holders[at : at + _IDS_IN_QUERY])
        for facts in connection.execute(query.execution_options(yield_per=200)).mappings():
            yield Carrier(
                holder=RequestId(facts["holder"]),
                batch=BatchId(facts["batch"]),
                request=RequestRows.from_row(facts),
                is_pruned=bool(facts["pruned_at"]),
            )


def _carriers(holders: Sequence[RequestId]) -> Select[tuple[object, ...]]:
    """Follow `origin` from each holder to the requests that took its rows over."""
    line = (
        select(_known.request_id.label("holder"), _known.request_id)
        .where(_known.request_id.in_(holders))
        .cte("line", recursive=True)
    )
    heir = tables.requests.alias("heir")
    line = line.union_all(
        select(line.c.holder, heir.c.request_id).join(heir, heir.c.origin == line.c.request_id)
    )
    return (
        requests_with_rows.add_columns(line.c.holder, tables.batches.c.pruned_at)
        .join(line, line.c.request_id == _known.request_id)
        .join(tables.batches, tables.batches.c.batch == _known.batch)
    )
