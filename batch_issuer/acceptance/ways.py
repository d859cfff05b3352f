"""How the rows of a file are checked and planned: in one piece here, or in parts by an engine."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from batch_issuer.acceptance.checked import Checked, next_rows
from batch_issuer.assembly import Services
from batch_issuer.batch.badges import BadgeUse
from batch_issuer.errors import NothingAccepted
from batch_issuer.intake import Figures, Source, check_rows
from batch_issuer.ledger import Batch
from batch_issuer.ledger.batches import insert_problems
from batch_issuer.planning import plan_requests
from batch_issuer.recording import Planned, WholePlan
from batch_issuer.submission import Lease


class Findings(Protocol):
    """What checking all rows of a file has found."""

    @property
    def figures(self) -> Figures:
        """How many rows there are, and what was found."""

    @property
    def warnings(self) -> Sequence[str]:
        """What the user should know of the file, in a sentence each."""

    def badge_uses(self) -> set[BadgeUse]:
        """Return how the rows use badges, each use once."""

    async def plan(self, batch: Batch) -> Planned:
        """Plan the valid rows for a batch; called once, and last."""


class Way(Protocol):
    """Checks a file; both ways find the same, and record the same."""

    async def check(self, source: Source) -> Findings:
        """Check all rows, and record their problems. Raises InputRefused, UsageError and Interrupted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InOnePiece:
    """Checks a file block by block, and keeps its valid rows in the memory of this process."""

    services: Services
    lease: Lease
    batch: Batch

    async def check(self, source: Source) -> "_Whole":
        """Check all rows, recording problems as they come."""
        checked = Checked()
        blocks = check_rows(source)
        while (rows := await asyncio.to_thread(next_rows, blocks, checked)) is not None:
            if self.services.stopping.is_set():
                raise NothingAccepted("the file was checked")
            if rows.problems:
                block = int(rows.problems.rows[0])
                await self.lease.write_block(insert_problems, self.batch.batch, block, rows.problems)
            self.services.progress.rows_checked(rows.total)
        return _Whole(services=self.services, lease=self.lease, figures=checked, source=source)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Whole:
    """The rows of a file that was checked in one piece."""

    services: Services
    lease: Lease
    figures: Checked
    source: Source

    @property
    def warnings(self) -> Sequence[str]:
        """Those of the sheet, now that its rows were read."""
        return self.source.sheet.warnings

    def badge_uses(self) -> set[BadgeUse]:
        """Return those of all rows."""
        return self.figures.badge_uses()

    async def plan(self, batch: Batch) -> WholePlan:
        """Plan in memory."""
        rows, chunk_size = self.figures.rows.take(), batch.settings["chunk_size"]
        plan = await asyncio.to_thread(plan_requests, rows, chunk_size=chunk_size)
        return WholePlan(services=self.services, lease=self.lease, batch=batch, plan=plan)
