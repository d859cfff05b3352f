"""Puts in the order of the input what all units leave out: duplicates, and what other batches hold."""

from collections.abc import Iterator, Sequence

import numpy as np
from sqlalchemy import Connection

from batch_issuer.batch.holding import NOTHING_HELD, HeldRows
from batch_issuer.batch.ids import BatchId, RequestId
from batch_issuer.batch.requests import RowNumbers
from batch_issuer.ledger import Ledger
from batch_issuer.ledger.staging import LeftOut, read_duplicates, read_held
from batch_issuer.spread.numbering import PlannedUnit, left_of
from batch_issuer.spread.requests import Left


def left_out(ledger: Ledger, batch: BatchId, units: Sequence[PlannedUnit], *, rows: int) -> Iterator[LeftOut]:
    """Yield what is left out, of as many parts at a time as leave out so many rows, or a few more."""
    for first, end in _windows(units, rows):
        some = left_of(units, first, end)
        with ledger.snapshot() as connection:
            repeats = _join_duplicates(connection, batch, some)
            yield LeftOut(
                duplicates=repeats[0], repeated=repeats[1], held=_join_held(connection, batch, some)
            )


def _windows(units: Sequence[PlannedUnit], rows: int) -> Iterator[tuple[int, int]]:
    """Yield the parts to read at a time: the first, and the one behind the last."""
    counts = np.zeros(1 + max((int(unit.parts[-1]) for unit in units), default=-1), dtype=np.int64)
    for unit in units:
        counts[unit.parts] += unit.facts.duplicates + unit.facts.held
    first = gathered = 0
    for part, count in enumerate(counts.tolist()):
        gathered += count
        if gathered >= rows or (gathered and part == len(counts) - 1):
            yield first, part + 1
            first, gathered = part + 1, 0


def _join_duplicates(
    connection: Connection, batch: BatchId, some: Sequence[Left]
) -> tuple[RowNumbers, RowNumbers]:
    read = [
        read_duplicates(connection, batch, left.unit, left.duplicates)
        for left in some
        if left.duplicates.count
    ]
    if not read:
        return NOTHING_HELD.rows, NOTHING_HELD.rows
    rows, repeated = (np.concatenate(columns) for columns in zip(*read, strict=True))
    in_order = np.argsort(rows)
    return rows[in_order], repeated[in_order]


def _join_held(connection: Connection, batch: BatchId, some: Sequence[Left]) -> HeldRows:
    read = [read_held(connection, batch, left.unit, left.held) for left in some if left.held.count]
    if not read:
        return NOTHING_HELD
    request_ids: list[RequestId] = []
    holders = []
    for held in read:
        holders.append(held.holders + np.int32(len(request_ids)))
        request_ids.extend(held.request_ids)
    rows = np.concatenate([held.rows for held in read])
    in_order = np.argsort(rows)
    return HeldRows(
        rows=rows[in_order],
        customers=np.concatenate([held.customers for held in read])[in_order],
        holders=np.concatenate(holders)[in_order],
        request_ids=tuple(request_ids),
    )
