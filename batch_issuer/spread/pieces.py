"""Reads staged pieces back, as one table in order of rows."""

from collections.abc import Sequence

import numpy as np
from sqlalchemy import Connection

from batch_issuer.batch.ids import BatchId
from batch_issuer.batch.requests import RowNumbers
from batch_issuer.intake import GroupKey
from batch_issuer.ledger.staging import read_part
from batch_issuer.planning import Groups, RowTable
from batch_issuer.spread.layout import Counts, Piece


def read_pieces(
    connection: Connection, batch: BatchId, pieces: Sequence[Piece], groups: Sequence[GroupKey]
) -> RowTable:
    """Read the rows of some groups: the codes of the pieces are places in `groups`."""
    total = sum(piece.cut.count for piece in pieces)
    customers, rows = np.empty(total, dtype=np.int64), np.empty(total, dtype=np.uint32)
    start = 0
    for piece in pieces:
        here = slice(start, start + piece.cut.count)
        customers[here], rows[here] = read_part(connection, batch, piece.part, piece.cut)
        start = here.stop
    codes = np.concatenate([np.repeat(piece.codes, piece.counts) for piece in pieces])
    by_row = np.argsort(rows, kind="stable")
    return RowTable(
        customers=customers[by_row], codes=codes[by_row], rows=rows[by_row], groups=Groups(groups)
    )


def count_by_piece(rows: RowNumbers, table: RowTable, pieces: Sequence[Piece]) -> Counts:
    """Count some rows of a table, in their order, by the pieces that it was read from."""
    ends = np.cumsum([piece.cut.count for piece in pieces])
    lasts = table.rows[ends - 1]  # parts follow each other in order of rows
    counts: Counts = np.diff(np.searchsorted(rows, lasts, "right"), prepend=0)
    return counts
