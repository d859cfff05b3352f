"""Plans one unit: finds its duplicates and what other batches hold of it, and stages what is left out."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from batch_issuer.batch.holding import NOTHING_HELD, HeldRows
from batch_issuer.intake import GroupKey
from batch_issuer.ledger import Ledger
from batch_issuer.ledger.staging import LeftOut, insert_unit
from batch_issuer.planning import Plan, RowTable, plan_requests
from batch_issuer.recording import find_held_rows
from batch_issuer.spread.draft import Draft
from batch_issuer.spread.layout import Counts, Piece
from batch_issuer.spread.pieces import count_by_piece, read_pieces
from batch_issuer.tasks import see_through


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Whose batches may hold customers."""

    base_url: str
    org_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitJob:
    """One unit to plan."""

    draft: Draft
    number: int
    groups: Sequence[GroupKey]
    pieces: Sequence[Piece]
    guard: Guard | None
    """None where nothing is kept back."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnitFacts:
    """What is known of a unit that was planned."""

    kept: Counts
    """How many rows of each group are left to send."""
    duplicates: Counts
    """How many rows of each piece are duplicates."""
    held: Counts
    """How many rows of each piece other batches hold."""


async def plan_unit(job: UnitJob) -> UnitFacts:
    """Plan a unit, and stage what is left out of it."""
    async with job.draft.open() as ledger:
        table, plan, held = await see_through(asyncio.to_thread(_plan, ledger.ledger, job))
        left = LeftOut(duplicates=plan.duplicates, repeated=plan.repeated, held=held)
        staged = await ledger.write(insert_unit, job.draft.batch, job.number, left)
    # it may have been staged before: then that counts
    kept = await see_through(asyncio.to_thread(plan.without, staged))
    return UnitFacts(
        kept=np.array(kept.group_sizes, dtype=np.int64),
        duplicates=count_by_piece(plan.duplicates, table, job.pieces),
        held=count_by_piece(staged.rows, table, job.pieces),
    )


def _plan(ledger: Ledger, job: UnitJob) -> tuple[RowTable, Plan, HeldRows]:
    batch, guard = job.draft.batch, job.guard
    with ledger.snapshot() as connection:
        table = read_pieces(connection, batch, job.pieces, job.groups)
        plan = plan_requests(table, chunk_size=1)  # how they are cut is decided when all units are planned
        if guard is None:
            return table, plan, NOTHING_HELD
        held = find_held_rows(connection, plan, base_url=guard.base_url, org_id=guard.org_id, besides=batch)
        return table, plan, held
