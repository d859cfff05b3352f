"""A site whose world has a checker, and batches that a maker has issued in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batch_issuer.acceptance import IssueOptions
from batch_issuer.cli.sandbox import checker_settings
from batch_issuer.ledger.audit import Actor, Via
from batch_issuer.ledger.runs import Run
from batch_issuer.sandbox import Scenario
from tests.pipeline.world import World, customers, open_world
from tests.web.site import Site, open_site

UPLOAD = "00112233aabbccdd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """A world, its console, and what makers do there."""

    world: World
    site: Site

    async def begin(self, text: str, *, user: str = "mia", upload: str = UPLOAD, **options: Any) -> Run:
        """Confirm a file, as the last page of the way through does."""
        facts = {"check_badges": False, "issued_by": user, "upload": upload, "file_name": "may.csv"}
        chosen = IssueOptions(**{**facts, **options})
        path = self.world.write(text, f"{upload}.csv")
        by = Actor(user=user, via=Via.PAGE, address="127.0.0.1")
        return await self.site.console.runs.issue(upload, path, chosen, by=by)

    async def issue(self, text: str = "", **options: Any) -> str:
        """Issue a file to the end, and return the batch that it became."""
        run = await self.begin(text or customers(7), **options)
        return (await self.finish(run)).batch

    async def finish(self, run: Run) -> Run:
        """Wait for the end of a run."""
        runs = self.site.console.runs
        await runs.wait(run.run)
        found = await runs.find(run.run)
        assert found is not None
        return found

    async def finish_all(self) -> None:
        """Wait until nothing is under way."""
        for run in await self.site.console.runs.list_open():
            await self.finish(run)


@asynccontextmanager
async def open_office(
    tmp_path: Path, scenario: Scenario | None = None, **overrides: Any
) -> AsyncIterator[Office]:
    """Open a console beside a sandbox."""
    async with open_world(tmp_path, scenario) as world:
        world.overrides |= {**checker_settings(world.sandbox), **overrides}
        async with open_site(world.settings(), world.time.clock()) as site:
            yield Office(world=world, site=site)
