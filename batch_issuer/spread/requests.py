"""Records the requests of one unit, or of some chunks in a row of one large group."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from batch_issuer.batch.requests import IssueRequest, RowNumbers
from batch_issuer.intake import GroupKey
from batch_issuer.ledger import Ledger
from batch_issuer.ledger.requests import insert_new_requests
from batch_issuer.ledger.staging import Cut, read_left_rows
from batch_issuer.planning import Numbers, cut
from batch_issuer.recording import in_blocks
from batch_issuer.spread.draft import Draft
from batch_issuer.spread.layout import Counts, Piece
from batch_issuer.spread.pieces import read_pieces
from batch_issuer.tasks import see_through


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What one unit leaves out of some pieces."""

    unit: int
    duplicates: Cut
    held: Cut


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RequestsJob:
    """Rows to cut into requests: of all that the pieces hold without what is left out, some in a row."""

    draft: Draft
    org_id: str
    chunk_size: int
    groups: Sequence[GroupKey]
    before: Counts
    """How many chunks of the batch come before the first one of each group here."""
    pieces: Sequence[Piece]
    left: Sequence[Left]
    rows: Cut
    """They begin and end where chunks do."""


async def record_requests(job: RequestsJob) -> int:
    """Record requests in short transactions; return how many there are."""
    count = 0
    async with job.draft.open() as ledger:
        blocks = in_blocks(_requests(ledger.ledger, job))
        while (block := await see_through(asyncio.to_thread(next, blocks, None))) is not None:
            await ledger.write(insert_new_requests, job.draft.batch, block)
            count += len(block)
    return count


def _requests(ledger: Ledger, job: RequestsJob) -> Iterator[IssueRequest]:
    with ledger.snapshot() as connection:
        table = read_pieces(connection, job.draft.batch, job.pieces, job.groups)
        left = [
            read_left_rows(connection, job.draft.batch, some.unit, some.duplicates, some.held)
            for some in job.left
        ]
    is_kept = _is_kept(table.rows, left)
    by_group = np.argsort(table.codes, kind="stable")
    by_group = by_group[is_kept[by_group]][job.rows.start : job.rows.start + job.rows.count]
    customers, rows, codes = table.customers[by_group], table.rows[by_group], table.codes[by_group]
    borders = np.searchsorted(codes, np.arange(len(job.groups) + 1)).tolist()
    # in order of their ids: what lies together in the indexes is written together
    for at in np.argsort(job.before, kind="stable").tolist():
        here = slice(borders[at], borders[at + 1])
        numbers = Numbers(
            org_id=job.org_id,
            batch=job.draft.batch,
            before=int(job.before[at]),
            chunk_size=job.chunk_size,
        )
        yield from cut(table.groups[at], customers[here], rows[here], numbers)


def _is_kept(rows: RowNumbers, left: Sequence[RowNumbers]) -> "np.typing.NDArray[np.bool_]":
    is_kept = np.ones(len(rows), dtype=np.bool_)
    for some in left:
        is_kept[np.searchsorted(rows, some)] = False
    return is_kept
