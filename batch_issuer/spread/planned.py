"""Plans and records in units what is staged of a file, as often as its guard asks for."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from batch_issuer.ledger import Batch
from batch_issuer.ledger.batches import insert_duplicates
from batch_issuer.ledger.held_rows import guard_mark, insert_held_rows
from batch_issuer.ledger.staging import delete_staged, delete_staged_units
from batch_issuer.recording import Recorded
from batch_issuer.spread.client import Client
from batch_issuer.spread.draft import Draft
from batch_issuer.spread.layout import Layout, Unit
from batch_issuer.spread.left_out import left_out
from batch_issuer.spread.numbering import PlannedUnit, requests_jobs
from batch_issuer.spread.requests import record_requests
from batch_issuer.spread.units import Guard, UnitFacts, UnitJob, plan_unit


@dataclass(frozen=True, slots=True, kw_only=True)
class InUnits:
    """The staged rows of a batch."""

    client: Client
    batch: Batch
    layout: Layout

    async def record(self, *, is_guarded: bool) -> Recorded:
        """Plan the units, then record what is left out of them, and their requests."""
        client, batch, ledger = self.client, self.batch, self.client.services.ledger
        draft = await client.begin()
        while await client.lease.write_block(delete_staged_units, batch.batch):
            pass
        # read before any unit is: whoever is accepted meanwhile changes it
        mark = await ledger.read(guard_mark, batch) if is_guarded else None
        units = await self._plan(draft, is_guarded=is_guarded)
        await self._record_left_out(units)
        jobs = requests_jobs(self.layout, units, draft, batch, rows=client.services.sizes.unit_rows)
        await client.do(record_requests, jobs, lambda _: None, doing="recorded")
        return Recorded(
            duplicates=sum(int(unit.facts.duplicates.sum()) for unit in units),
            already_issued=sum(int(unit.facts.held.sum()) for unit in units),
            mark=mark,
        )

    async def discard(self) -> None:
        """Delete what is staged, in short steps."""
        while await self.client.services.ledger.write_block(delete_staged, self.batch.batch):
            pass

    async def _plan(self, draft: Draft, *, is_guarded: bool) -> list[PlannedUnit]:
        units = list(self.layout.units(rows=self.client.services.sizes.unit_rows))
        guard = Guard(base_url=self.batch.base_url, org_id=self.batch.org_id) if is_guarded else None
        facts: list[UnitFacts] = []
        await self.client.do(plan_unit, self._jobs(draft, units, guard), facts.append, doing="planned")
        return [
            PlannedUnit(number=number, unit=unit, parts=self.layout.parts_of(unit), facts=known)
            for number, (unit, known) in enumerate(zip(units, facts, strict=True))
        ]

    def _jobs(self, draft: Draft, units: Iterable[Unit], guard: Guard | None) -> Iterator[UnitJob]:
        for number, unit in enumerate(units):
            groups, pieces = self.layout.groups(unit), self.layout.pieces(unit)
            yield UnitJob(draft=draft, number=number, groups=groups, pieces=pieces, guard=guard)

    async def _record_left_out(self, units: list[PlannedUnit]) -> None:
        """Record duplicates and held rows in the order of the input, some parts of it at a time."""
        lease, batch, sizes = self.client.lease, self.batch.batch, self.client.services.sizes
        repeats = holds = 0
        windows = left_out(self.client.services.ledger, batch, units, rows=sizes.left_rows)
        while (left := await asyncio.to_thread(next, windows, None)) is not None:
            repeats = await lease.write_block(
                insert_duplicates, batch, left.duplicates, left.repeated, block=repeats
            )
            holds = await lease.write_block(insert_held_rows, batch, left.held, block=holds)
