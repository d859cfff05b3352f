"""What many tests share: a clock they move, a sandbox, ledgers on disk, and builders of our values."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from batch_issuer.batch.ids import BatchId, RequestId
from batch_issuer.batch.requests import Group, IssueRequest
from batch_issuer.clock import Clock
from batch_issuer.gateway import Access, Client, InnerCall, open_client
from batch_issuer.gateway.access import BasicLogin, OAuthClient
from batch_issuer.ledger import (
    Batch,
    BatchStage,
    Journal,
    LeaseKey,
    Ledger,
    RequestRecord,
    open_journal,
    open_ledger,
)
from batch_issuer.ledger.batches import insert_batch
from batch_issuer.ledger.leases import Claim, take_lease
from batch_issuer.ledger.requests import insert_requests, iterate_records
from batch_issuer.processes import Process, this_process
from batch_issuer.redaction import Redactor
from batch_issuer.sandbox import Credentials, Sandbox, Scenario
from tests.pipeline.world import OpenHere, World, open_world

# how fast a busy machine is says nothing about the product; in CI every run draws the same examples
settings.register_profile(
    "steady", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("steady")

pytest_plugins = ["tests.postgresql"]  # servers and databases of PostgreSQL

BADGE = "0123456789abcdef01234567"
BATCH = BatchId("20260302-044500-abcdef")
KEY = LeaseKey(name=BATCH, owner="ours")
START = datetime(2026, 3, 2, 4, 45, tzinfo=UTC)
KNOWN = Credentials()


class FakeClock:
    """A clock whose sleep moves its time on at once; `clock` is what the program takes."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at
        self.jitter = 0.5
        self.slept: list[float] = []
        self.clock = Clock(
            now=lambda: self.at, uptime=self.seconds, sleep=self.sleep, random=lambda: self.jitter
        )

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    def seconds(self) -> float:
        """Tell the time as a sandbox wants it."""
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)


class FakeClockSandbox(Sandbox):
    """A sandbox in the time of a test's clock."""

    def __init__(self, time: FakeClock, scenario: Scenario | None = None) -> None:
        super().__init__(scenario=scenario, credentials=KNOWN, clock=time.seconds, sleep=time.sleep)


def make_request(
    *customers: int, chunk: int = 1, request_id: str | None = None, group: Group | None = None
) -> IssueRequest:
    ids = customers or (700_000_000 + 2 * chunk, 700_000_001 + 2 * chunk)
    return IssueRequest(
        request_id=RequestId(request_id or f"{BATCH}-{chunk:016x}"),
        chunk=chunk,
        group=group or Group(badge_meta_id=BADGE),
        customers=np.array(ids, dtype=np.int64),
        rows=np.arange(2, 2 + len(ids), dtype=np.uint32),
    )


def make_requests(count: int) -> list[IssueRequest]:
    return [make_request(chunk=chunk) for chunk in range(1, count + 1)]


def make_access(
    url: str,
    *,
    login: BasicLogin | OAuthClient | None = None,
    org_id: str = KNOWN.org_id,
    ui_auth_token: str = KNOWN.maker_ui_token,
) -> Access:
    path = "/v2/api_gateway/v2/request-workflow"
    return Access(
        base_url=url,
        workflow_path=path,
        requests_path=path,
        org_id=org_id,
        ui_auth_token=ui_auth_token,
        login=login or BasicLogin(username=KNOWN.maker_username, password=KNOWN.maker_password),
    )


def oauth_login() -> OAuthClient:
    return OAuthClient(key=KNOWN.maker_key, secret=KNOWN.maker_secret)


def make_inner() -> InnerCall:
    return InnerCall(
        till_id="10000001",
        store_id="10000002",
        zone_id="10000003",
        concept_id="10000004",
        hostname="https://intouch.example.com",
        authorization="Basic aW52ZW50ZWQ6aW52ZW50ZWQ=",
    )


def make_batch(*, stage: BatchStage = BatchStage.ACCEPTED) -> Batch:
    return Batch(
        batch=BATCH,
        name="spring",
        base_url="https://api.example.com",
        org_id=KNOWN.org_id,
        stage=stage,
        input_name="customers.csv",
        input_sha256="ab" * 32,
        settings={"chunk_size": 2},
        created_at="2026-03-02T04:45:00Z",
    )


async def plan(ledger: Ledger, requests: Sequence[IssueRequest]) -> None:
    """Record a batch of these requests, none of them sent, whose lease is held under KEY."""
    await ledger.write(insert_batch, make_batch())
    await ledger.write(insert_requests, BATCH, requests)
    await ledger.write(take_lease, KEY, make_claim(ledger))


def make_claim(
    ledger: Ledger, *, seconds: float = 60, uptime: float = 0, process: Process | None = None
) -> Claim:
    return Claim(
        process=process or this_process(),
        length=timedelta(seconds=seconds),
        now=ledger.now,
        uptime=lambda: uptime,
    )


async def records_of(ledger: Ledger) -> list[RequestRecord]:
    return await ledger.read(lambda connection: list(iterate_records(connection, BATCH)))


def open_connections(ledger: Ledger) -> int:
    """Count connections that are in use: none may be between two calls."""
    pools = [engine.pool for engine in ledger._database.engines]
    return sum(pool.checkedout() for pool in pools)  # type: ignore[attr-defined]  # every pool here has it


@asynccontextmanager
async def ledger_at(path: Path, clock: Clock | None = None) -> AsyncIterator[Ledger]:
    """Open a ledger, and fail where a connection is left open."""
    async with open_ledger(f"sqlite:///{path}", clock or Clock()) as ledger:
        yield ledger
        assert open_connections(ledger) == 0


@pytest.fixture
def time() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def sandbox(time: FakeClock) -> AsyncIterator[Sandbox]:
    async with FakeClockSandbox(time) as opened:
        yield opened


@pytest.fixture
def ledger_path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one empty ledger, for migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("migrated") / "ledger.db"

    async def make() -> None:
        async with ledger_at(path):
            pass

    asyncio.run(make())
    return path


@pytest.fixture
async def ledger(ledger_path: Path, migrated: Path, time: FakeClock) -> AsyncIterator[Ledger]:
    shutil.copyfile(migrated, ledger_path)
    async with ledger_at(ledger_path, time.clock) as opened:
        yield opened


@pytest.fixture
async def journal(ledger: Ledger) -> AsyncIterator[Journal]:
    async with open_journal(ledger) as opened:
        yield opened


class Gateway:
    """Opens clients that close with the test."""

    def __init__(self, stack: AsyncExitStack, time: FakeClock) -> None:
        self._stack = stack
        self._time = time

    async def client(
        self,
        access: Access,
        *,
        timeout_seconds: float = 5.0,
        connections: int = 10,
        redact: Redactor | None = None,
    ) -> Client:
        opening = open_client(
            access,
            redact=redact or Redactor(),
            clock=self._time.clock,
            timeout_seconds=timeout_seconds,
            connections=connections,
        )
        return await self._stack.enter_async_context(opening)


@pytest.fixture
async def gateway(time: FakeClock) -> AsyncIterator[Gateway]:
    async with AsyncExitStack() as stack:
        yield Gateway(stack, time)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def open_here(request: pytest.FixtureRequest, tmp_path: Path) -> OpenHere:
    """Open a world whose ledger is on each of the databases."""
    ledger: dict[str, Any] = {}
    if request.param == "postgresql":
        ledger = {"ledger": request.getfixturevalue("postgres_databases").new_database()}

    @asynccontextmanager
    async def opening(scenario: Scenario | None = None, **overrides: Any) -> AsyncIterator[World]:
        async with open_world(tmp_path, scenario, **ledger, **overrides) as world:
            yield world

    return opening
