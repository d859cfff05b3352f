"""Checks a file in parts: cuts it, has the parts checked, and gathers what they have found."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from batch_issuer.assembly import Services
from batch_issuer.batch.badges import BadgeUse
from batch_issuer.engine import Engine
from batch_issuer.errors import NothingAccepted
from batch_issuer.intake import Figures, RowCount, Source, Span
from batch_issuer.intake.copying import copy_in
from batch_issuer.ledger import Batch
from batch_issuer.ledger.staging import delete_staged, find_left_behind
from batch_issuer.spread.client import Client
from batch_issuer.spread.draft import Draft
from batch_issuer.spread.layout import Index
from batch_issuer.spread.parts import PartFacts, PartJob, check_one_part
from batch_issuer.spread.planned import InUnits
from batch_issuer.submission import Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class InParts:
    """Checks a file in parts, and leaves its valid rows in the ledger."""

    services: Services
    lease: Lease
    batch: Batch
    engine: Engine

    async def check(self, source: Source) -> "Found":
        """Check all rows; parts record their problems."""
        client = Client(services=self.services, lease=self.lease, batch=self.batch, engine=self.engine)
        draft = await client.begin()
        await self._tidy_up()
        spans = await self._cut(source)
        found, count = Found(client=client), RowCount(source)

        def take(facts: PartFacts) -> None:
            count.add(facts.figures.total)
            found.add(facts)
            self.services.progress.rows_checked(facts.figures.total)

        await client.do(check_one_part, self._jobs(draft, source, spans), take, doing="checked")
        count.end()
        return found

    async def _tidy_up(self) -> None:
        """Forget what is staged of this batch, and what was left behind where a process ended."""
        ledger = self.services.ledger
        while await self.lease.write_block(delete_staged, self.batch.batch):
            pass
        for batch in await ledger.read(find_left_behind):
            while await ledger.write_block(delete_staged, batch):
                pass

    async def _cut(self, source: Source) -> list[Span]:
        spans: Iterator[Span] = iter(source.spans(part_bytes=self.services.sizes.part_bytes))
        found = []
        while (span := await asyncio.to_thread(next, spans, None)) is not None:
            if self.services.stopping.is_set():
                raise NothingAccepted("the file was checked")
            found.append(span)
        return found

    def _jobs(self, draft: Draft, source: Source, spans: Sequence[Span]) -> Iterable[PartJob]:
        copy = copy_in(self.services.batch_folder(self.batch.batch)).absolute()
        size = sum(span.size for span in spans)
        slices = max(1, -(-size // self.services.sizes.slice_bytes))
        source, size = source.at(copy), copy.stat().st_size
        for number, span in enumerate(spans):
            yield PartJob(
                draft=draft,
                number=number,
                copy=copy,
                size=size,
                source=source.within(span),
                slices=slices,
            )


@dataclass(slots=True, kw_only=True)
class Found:
    """What the parts of a file have found."""

    client: Client
    figures: Figures = field(default_factory=Figures)
    index: Index = field(default_factory=Index)
    _warnings: dict[str, None] = field(default_factory=dict)

    def add(self, facts: PartFacts) -> None:
        """Take the next part."""
        self.figures.count(facts.figures)
        self.index.add(facts)
        self._warnings |= dict.fromkeys(facts.warnings)

    @property
    def warnings(self) -> Sequence[str]:
        """Those of all parts, each once."""
        return tuple(self._warnings)

    def badge_uses(self) -> set[BadgeUse]:
        """Return those of all rows."""
        return {(badge, owner, date) for badge, owner, _, date in self.index.keys} | self.figures.spoiled

    async def plan(self, batch: Batch) -> InUnits:
        """Plan from what is staged."""
        layout = await asyncio.to_thread(self.index.layout)
        return InUnits(client=self.client, batch=batch, layout=layout)
