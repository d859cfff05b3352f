"""A world whose people are told: its clock stands still until it is moved."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from batch_issuer.acceptance import IssueOptions
from batch_issuer.assembly import NoProgress
from batch_issuer.notices import Run, tell, told
from batch_issuer.pipeline import issue, refresh, resume
from batch_issuer.reports import Summary
from batch_issuer.sandbox import Scenario
from tests.notices.receivers import MailServer, Webhook, open_mail_server, open_webhook
from tests.pipeline.world import World, open_world


class _StopsWhenPlanned(NoProgress):
    """Stops the program as somebody would who sends it a signal."""

    def __init__(self, stopping: asyncio.Event) -> None:
        self._stopping = stopping

    def requests_planned(self, count: int) -> None:
        assert count
        self._stopping.set()


@dataclass(slots=True, kw_only=True)
class Night:
    """Runs commands that tell."""

    world: World

    async def issue(self, file: Path, **options: Any) -> Summary:
        chosen = IssueOptions(**{"check_badges": False, **options})
        return await self.world.run(
            lambda services: told(services, lambda s: issue(s, file, chosen), file=file)
        )

    async def refresh(self, batch: str | None = None) -> Summary:
        return await self.world.run(lambda services: told(services, lambda s: refresh(s, batch)))

    async def resume(self, batch: str | None = None) -> Summary:
        return await self.world.run(lambda services: told(services, lambda s: resume(s, batch)))

    async def look(self, *, patience: float = 30.0, **facts: Any) -> None:
        """Look for files, as a pass over an inbox that does not find any."""
        run = Run(is_inbox_pass=True, **facts)
        await self.world.run(lambda services: tell(services, run, patience=patience))

    async def issue_in_part(self, file: Path) -> Summary:
        """Issue a file, and be stopped as soon as it is accepted."""
        self.world.progress = _StopsWhenPlanned(self.world.stopping)
        try:
            return await self.issue(file)
        finally:
            self.world.progress = None
            self.world.stopping.clear()

    def later(self, **length: float) -> None:
        self.world.time.instant += timedelta(**length)


@pytest.fixture
async def hook() -> AsyncIterator[Webhook]:
    async with open_webhook() as opened:
        yield opened


@pytest.fixture
async def mail() -> AsyncIterator[MailServer]:
    async with open_mail_server() as opened:
        yield opened


@pytest.fixture
def scenario() -> Scenario:
    return Scenario()


@pytest.fixture
async def night(tmp_path: Path, hook: Webhook, scenario: Scenario) -> AsyncIterator[Night]:
    """A night whose makers are told by a webhook."""
    async with open_world(tmp_path, scenario, notify=hook.address()) as world:
        yield Night(world=world)
