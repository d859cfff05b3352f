"""A submitter with everything it needs, and what came of it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field

import orjson
import pytest
from aiohttp import web

from batch_issuer.batch.requests import IssueRequest
from batch_issuer.batch.stages import Stage
from batch_issuer.gateway import Access, Client
from batch_issuer.ledger import Journal, Ledger, RequestRecord, Unsent
from batch_issuer.ledger.leases import release_lease
from batch_issuer.ledger.unsent import unsent_requests
from batch_issuer.processes import this_process
from batch_issuer.sandbox import Sandbox
from batch_issuer.submission import Lease, LeaseTerms, Pace, Route, Stop, Submitter, hold_lease
from tests.conftest import BATCH, KEY, FakeClock, Gateway, make_inner, make_requests, plan, records_of

NEVER = "http://127.0.0.1:1"


def posted(sandbox: Sandbox) -> Counter[str]:
    """Count what the sandbox took, by our request id."""
    return Counter(record.request_id for record in sandbox.requests)


async def request_id_of(request: web.Request) -> str:
    document = orjson.loads(await request.read())
    found: str = document["payload"]["IntouchAPITask-Payload"]["body"]["requestId"]
    return found


def accepted(request_id: str, state: str = "AdminTask") -> web.Response:
    details = {"IntouchAPITask-Payload": {"body": {"requestId": request_id}}}
    return web.json_response({"data": {"requestId": f"w-{request_id}", "state": state, "details": details}})


async def spoil(ledger: Ledger, statement: str) -> None:
    await ledger.write(lambda connection: connection.exec_driver_sql(statement))


@dataclass(slots=True, kw_only=True)
class Report:
    stop: Stop | None
    records: list[RequestRecord]
    at_rest: list[Stage]

    @property
    def stages(self) -> list[str]:
        return [record.stage.value for record in self.records]


@dataclass(slots=True, kw_only=True)
class Desk:
    """Sends what the ledger has unsent, as a command would."""

    ledger: Ledger
    journal: Journal
    gateway: Gateway
    time: FakeClock
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def plan(self, requests: int | Sequence[IssueRequest]) -> None:
        await plan(self.ledger, make_requests(requests) if isinstance(requests, int) else requests)
        await self.ledger.write(release_lease, KEY)

    async def submit(
        self,
        access: Access,
        *,
        concurrency: int = 8,
        max_attempts: int = 5,
        rate: float = 0,
        timeout_seconds: float = 5.0,
    ) -> Report:
        client = await self.gateway.client(access, connections=concurrency, timeout_seconds=timeout_seconds)
        async with self.lease() as lease:
            return await self._submit(
                client,
                lease,
                server=access.base_url,
                rate=rate,
                concurrency=concurrency,
                max_attempts=max_attempts,
            )

    def lease(self) -> AbstractAsyncContextManager[Lease]:
        """Hold the batch's lease, as a command does for as long as it sends."""
        terms = LeaseTerms.for_requests(timeout=30, settle=5)
        return hold_lease(self.ledger, BATCH, terms=terms, process=this_process(), clock=self.time.clock)

    async def _submit(
        self, client: Client, lease: Lease, *, server: str, rate: float, concurrency: int, max_attempts: int
    ) -> Report:
        route = Route(
            batch=BATCH,
            lease=lease,
            org_id="999001",
            client=client,
            inner=make_inner(),
            journal=self.journal,
            pace=Pace(self.ledger, server=server, rate=rate, clock=self.time.clock),
            clock=self.time.clock,
            concurrency=concurrency,
            max_attempts=max_attempts,
        )
        at_rest: list[Stage] = []
        submitter = Submitter(route, stopping=self.stopping, on_rest=at_rest.append)
        stop = await submitter.submit_all(self._unsent())
        return Report(stop=stop, records=await records_of(self.ledger), at_rest=at_rest)

    async def _unsent(self) -> AsyncIterator[Unsent]:
        after = (0, "", 0)
        while block := await self.ledger.read(unsent_requests, BATCH, after, 10):
            for unsent in block:
                yield unsent
            last = block[-1].request
            after = (last.chunk, last.halvings, last.generation)

    async def attempts(self) -> list[tuple[object, ...]]:
        """Give chunk, number, stage and HTTP status of every attempt."""
        query = (
            "select chunk, attempt, attempts.stage, attempts.http_status from attempts"
            " join requests using (request_id) order by chunk, attempt"
        )
        return await self.ledger.read(lambda c: [tuple(row) for row in c.exec_driver_sql(query)])


@pytest.fixture
async def desk(ledger: Ledger, journal: Journal, gateway: Gateway, time: FakeClock) -> AsyncIterator[Desk]:
    async with AsyncExitStack():
        yield Desk(ledger=ledger, journal=journal, gateway=gateway, time=time)
