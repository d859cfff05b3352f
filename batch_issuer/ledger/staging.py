"""Queries on what is staged of a batch that is recorded in parts, and on the draft that may write it.

A draft is one pass over a file; where its rows have to be checked or planned once more, that is the next one.
Work on a draft may come late or twice, as whoever does it may be taken for dead and wake up. So a draft is
named by a lease that nobody renews: the next one takes it, and no work on an earlier one writes any more. Of
one draft each piece of work gives the same whenever it is done, or keeps to what was written first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import numpy as np
import orjson
from sqlalchemy import Column, Connection, Executable, Function, and_, delete, exists, func, select, update

from batch_issuer.batch.holding import HeldRows
from batch_issuer.batch.ids import BatchId, RequestId
from batch_issuer.batch.requests import CustomerIds, RowNumbers
from batch_issuer.errors import BatchTakenOver
from batch_issuer.ledger import tables
from batch_issuer.ledger.batches import BatchStage
from batch_issuer.ledger.dialects import upsert
from batch_issuer.ledger.leases import LeaseKey, holds_lease
from batch_issuer.ledger.packing import pack_customers, pack_rows, unpack_customers, unpack_rows

P = ParamSpec("P")
T = TypeVar("T")

_DRAFT: Final = "draft "
_CUSTOMER: Final = 8
_ROW: Final = 4
_PLACE: Final = 4
_leases = tables.leases.c
_parts = tables.staged_parts.c
_units = tables.staged_units.c


@dataclass(frozen=True, slots=True)
class Cut:
    """Some rows in a row of what is staged: so many from one on, counted from 0."""

    start: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LeftOut:
    """What planning leaves out of some rows, in order of rows: duplicates, and what other batches hold."""

    duplicates: RowNumbers
    repeated: RowNumbers
    held: HeldRows


def begin_draft(connection: Connection, batch: BatchId, owner: str) -> LeaseKey:
    """Begin a draft: nobody writes for an earlier one from now on."""
    key = LeaseKey(name=_draft_of(batch), owner=owner)
    connection.execute(upsert(connection, tables.leases).values(name=key.name).on_conflict_do_nothing())
    connection.execute(update(tables.leases).where(_leases.name == key.name).values(owner=owner))
    return key


def end_drafts(connection: Connection, batch: BatchId) -> None:
    """Let nobody write for a draft of a batch any more."""
    connection.execute(delete(tables.leases).where(_leases.name == _draft_of(batch)))


def _draft_of(batch: BatchId) -> str:
    return f"{_DRAFT}{batch}"


def for_draft(
    connection: Connection,
    key: LeaseKey,
    query: Callable[Concatenate[Connection, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Run a query that only a draft may run. Raises BatchTakenOver where another one has begun."""
    if not holds_lease(connection, key):
        raise BatchTakenOver(key.name.removeprefix(_DRAFT))
    return query(connection, *args, **kwargs)


def insert_part(
    connection: Connection, batch: BatchId, part: int, customers: CustomerIds, rows: RowNumbers
) -> None:
    """Stage the valid rows of a part, unless they are staged already."""
    row = {"batch": batch, "part": part, "customers": pack_customers(customers), "rows": pack_rows(rows)}
    connection.execute(upsert(connection, tables.staged_parts).on_conflict_do_nothing(), [row])


def read_part(connection: Connection, batch: BatchId, part: int, cut: Cut) -> tuple[CustomerIds, RowNumbers]:
    """Return the customers and row numbers of some staged rows of a part."""
    query = select(_piece(_parts.customers, cut, _CUSTOMER), _piece(_parts.rows, cut, _ROW))
    found = _only(connection, batch, query.where(_parts.batch == batch, _parts.part == part))
    return unpack_customers(found[0]), unpack_rows(found[1])


def insert_unit(connection: Connection, batch: BatchId, unit: int, left: LeftOut) -> HeldRows:
    """Stage what is left out of a unit, unless it is staged already; return the held rows as they stand.

    Duplicates are those of the input, but who holds customers may differ from one reading to the next.
    """
    held = left.held
    row = {
        "batch": batch,
        "unit": unit,
        "duplicates": pack_rows(left.duplicates),
        "repeated": pack_rows(left.repeated),
        "held": pack_rows(held.rows),
        "held_customers": pack_customers(held.customers),
        "holders": held.holders.astype("<i4").tobytes(),
        "holder_ids": orjson.dumps(held.request_ids),
    }
    done = connection.execute(
        upsert(connection, tables.staged_units).values(row).on_conflict_do_nothing().returning(_units.unit)
    )
    if done.one_or_none() is not None:
        return held
    size = select(func.length(_units.held)).where(_units.batch == batch, _units.unit == unit)
    rows = connection.execute(size).scalar_one() // _ROW
    return read_held(connection, batch, unit, Cut(0, rows))


def read_duplicates(
    connection: Connection, batch: BatchId, unit: int, cut: Cut
) -> tuple[RowNumbers, RowNumbers]:
    """Return some duplicates of a unit, and what they repeat."""
    query = select(_piece(_units.duplicates, cut, _ROW), _piece(_units.repeated, cut, _ROW))
    found = _only(connection, batch, query.where(_units.batch == batch, _units.unit == unit))
    return unpack_rows(found[0]), unpack_rows(found[1])


def read_held(connection: Connection, batch: BatchId, unit: int, cut: Cut) -> HeldRows:
    """Return some held rows of a unit."""
    query = select(
        _piece(_units.held, cut, _ROW),
        _piece(_units.held_customers, cut, _CUSTOMER),
        _piece(_units.holders, cut, _PLACE),
        _units.holder_ids,
    )
    rows, customers, holders, ids = _only(
        connection, batch, query.where(_units.batch == batch, _units.unit == unit)
    )
    return HeldRows(
        rows=unpack_rows(rows),
        customers=unpack_customers(customers),
        holders=np.frombuffer(holders, dtype="<i4").astype(np.int32),
        request_ids=tuple(map(RequestId, orjson.loads(ids))),
    )


def read_left_rows(
    connection: Connection, batch: BatchId, unit: int, duplicates: Cut, held: Cut
) -> RowNumbers:
    """Return the numbers of some rows that are left out of a unit, duplicates first."""
    query = select(_piece(_units.duplicates, duplicates, _ROW), _piece(_units.held, held, _ROW))
    found = _only(connection, batch, query.where(_units.batch == batch, _units.unit == unit))
    return np.concatenate([unpack_rows(found[0]), unpack_rows(found[1])])


def _only(connection: Connection, batch: BatchId, query: Executable) -> Any:  # noqa: ANN401 - what the query names
    """Return what is staged; where it is not, it was forgotten, as the draft is over."""
    found = connection.execute(query).one_or_none()
    if found is None:
        raise BatchTakenOver(batch)
    return found


def _piece(column: Column[bytes], cut: Cut, size: int) -> Function[bytes]:
    # SQLite has no pieces of an empty text
    return func.coalesce(func.substr(column, cut.start * size + 1, cut.count * size), b"")


def delete_staged_units(connection: Connection, batch: BatchId) -> bool:
    """Forget one staged unit of a batch; return whether there was one."""
    unit = connection.execute(select(_units.unit).where(_units.batch == batch).limit(1)).scalar_one_or_none()
    connection.execute(delete(tables.staged_units).where(_units.batch == batch, _units.unit == unit))
    return unit is not None


def delete_staged(connection: Connection, batch: BatchId) -> bool:
    """Forget one part or one unit of what is staged of a batch; return whether there was one."""
    part = connection.execute(select(_parts.part).where(_parts.batch == batch).limit(1)).scalar_one_or_none()
    if part is None:
        return delete_staged_units(connection, batch)
    connection.execute(delete(tables.staged_parts).where(_parts.batch == batch, _parts.part == part))
    return True


def find_left_behind(connection: Connection) -> Sequence[BatchId]:
    """Name the batches of which something is staged that nobody needs any more."""
    batches = tables.batches.c
    staged = exists().where(_parts.batch == batches.batch) | exists().where(_units.batch == batches.batch)
    query = select(batches.batch).where(and_(batches.stage != BatchStage.RECORDING, staged))
    return [BatchId(found) for found in connection.execute(query).scalars()]
