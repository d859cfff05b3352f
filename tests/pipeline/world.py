"""A world for a test: a sandbox, a ledger file and an output folder, and a clock that never really waits."""

import asyncio
import csv
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from batch_issuer.acceptance import IssueOptions
from batch_issuer.assembly import Progress, Services, open_services
from batch_issuer.clock import Clock
from batch_issuer.engine import Engine
from batch_issuer.pipeline import issue, refresh, resume
from batch_issuer.processes import Process
from batch_issuer.reports import Summary
from batch_issuer.sandbox import Credentials, Sandbox, Scenario
from batch_issuer.settings import Settings
from batch_issuer.tracking import Wait

T = TypeVar("T")
OpenHere = Callable[..., AbstractAsyncContextManager["World"]]
"""Opens a world whose ledger is on one of the databases."""
START = datetime(2026, 3, 2, 10, 15, tzinfo=UTC)
BADGES = tuple(f"{number:024x}" for number in range(1, 30))


class MovedTime:
    """A clock that stands still until somebody sleeps."""

    def __init__(self) -> None:
        self.instant = START
        self.somebody_slept = asyncio.Event()

    def now(self) -> datetime:
        return self.instant

    def seconds(self) -> float:
        return self.instant.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)
        self.somebody_slept.set()
        await asyncio.sleep(0)

    async def tick(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def clock(self) -> Clock:
        return Clock(now=self.now, uptime=self.seconds, sleep=self.sleep, tick=self.tick, random=lambda: 0.5)


@dataclass(slots=True, kw_only=True)
class World:
    """What a test works with."""

    sandbox: Sandbox
    output: Path
    folder: Path
    time: MovedTime
    overrides: dict[str, Any] = field(default_factory=dict)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    progress: Progress | None = None
    process: Process | None = None
    engine: Engine | None = None

    def settings(self) -> Settings:
        known = self.sandbox.credentials
        facts: dict[str, Any] = {
            "base_url": self.sandbox.url,
            "username": known.maker_username,
            "password": known.maker_password,
            "org_id": known.org_id,
            "ui_auth_token": known.maker_ui_token,
            "till_id": "4",
            "store_id": "3",
            "zone_id": "2",
            "concept_id": "1",
            "output": self.output,
            "rate": 0,
            "chunk_size": 3,
        }
        return Settings.model_validate({**facts, **self.overrides})

    def sent_customers(self) -> list[int]:
        """Return every customer of every request that the server took, in order."""
        return [customer for request in self.sandbox.truth()["requests"] for customer in request["customers"]]

    def write(self, text: str, name: str = "customers.csv") -> Path:
        path = self.folder / name
        path.write_bytes(text.encode())
        return path

    async def run(self, work: Callable[[Services], Awaitable[T]]) -> T:
        async with open_services(
            self.settings(),
            clock=self.time.clock(),
            stopping=self.stopping,
            progress=self.progress,
            process=self.process,
            engine=self.engine,
        ) as services:
            return await work(services)

    async def issue(self, file: Path, *, wait: float = 0, **options: Any) -> Summary:
        chosen = IssueOptions(**{"check_badges": False, **options})
        return await self.run(lambda services: issue(services, file, chosen, Wait(seconds=wait)))

    async def refresh(self, batch: str | None = None, *, wait: float = 0) -> Summary:
        return await self.run(lambda services: refresh(services, batch, Wait(seconds=wait)))

    async def resume(self, batch: str | None = None) -> Summary:
        return await self.run(lambda services: resume(services, batch))


@asynccontextmanager
async def open_world(
    tmp_path: Path, scenario: Scenario | None = None, credentials: Credentials | None = None, **overrides: Any
) -> AsyncIterator[World]:
    time = MovedTime()
    async with Sandbox(
        scenario=scenario, credentials=credentials, clock=time.seconds, sleep=time.sleep
    ) as sandbox:
        yield World(
            sandbox=sandbox, output=tmp_path / "output", folder=tmp_path, time=time, overrides=overrides
        )


def customers(count: int, *, badges: int = 1, first: int = 700_000_001) -> str:
    """Write a file of so many customers, their badges taking turns."""
    rows = (f"{first + n},{BADGES[n % badges]}\n" for n in range(count))
    return "customer_id,badge_meta_id\n" + "".join(rows)


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read a file the way a spreadsheet would."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def reconciliation(summary: Summary) -> list[dict[str, str]]:
    return read_csv(summary.folder / "reconciliation.csv")


def outcomes(summary: Summary) -> dict[str, int]:
    """Count the outcomes in the file itself."""
    return dict(Counter(line["outcome"] for line in reconciliation(summary)))


def summary_json(summary: Summary) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((summary.folder / "summary.json").read_text())
    return found
