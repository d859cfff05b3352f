"""A reader of states with everything it needs, over requests that were submitted or lost."""

import asyncio
from dataclasses import dataclass, field

import pytest

from batch_issuer.batch.ids import WorkflowRequestId
from batch_issuer.batch.outcomes import ServerRequest, settle
from batch_issuer.batch.requests import IssueRequest
from batch_issuer.batch.stages import Stage
from batch_issuer.gateway import Access
from batch_issuer.ledger import Answered, Journal, Ledger, RequestRecord, Said, Sending
from batch_issuer.ledger.requests import open_requests
from batch_issuer.sandbox import Sandbox
from batch_issuer.submission import Pace
from batch_issuer.tracking import Reading, View, Wait, first_day_of, read_states, wait_until_final
from tests.conftest import (
    BATCH,
    KEY,
    FakeClock,
    Gateway,
    make_access,
    make_batch,
    make_inner,
    make_requests,
    plan,
    records_of,
)


@dataclass(slots=True, kw_only=True)
class Watch:
    """Reads the states of what the ledger holds open, as a command would."""

    ledger: Ledger
    journal: Journal
    gateway: Gateway
    time: FakeClock
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def hold(self, requests: int, *, stage: Stage = Stage.SUBMITTED) -> list[IssueRequest]:
        """Let the ledger hold requests of the server, named `w-1` and so on, or lost ones."""
        made = make_requests(requests)
        await plan(self.ledger, made)
        for request in made:
            await self._send(request, stage, f"w-{request.chunk}")
        return made

    async def submit(self, sandbox: Sandbox, requests: int) -> list[IssueRequest]:
        """Submit requests to the sandbox and let the ledger hold them."""
        made = make_requests(requests)
        await plan(self.ledger, made)
        client = await self.gateway.client(make_access(sandbox.url))
        answers = [await client.submit(request, make_inner()) for request in made]
        names = [answer.said.workflow_request_id for answer in answers if answer.said is not None]
        sent = zip(made, names, strict=True)
        await asyncio.gather(*(self._send(request, Stage.SUBMITTED, name) for request, name in sent))
        return made

    async def _send(self, request: IssueRequest, stage: Stage, workflow_request_id: str) -> None:
        at = self.time.clock.timestamp()
        await self.journal.record(Sending(lease=KEY, request_id=request.request_id, attempt=1, at=at))
        if stage is Stage.SENDING:
            return
        await self.journal.record(
            Answered(lease=KEY, request_id=request.request_id, attempt=1, sent_at=at, at=at, stage=stage)
        )
        if stage is Stage.SUBMITTED:
            said = ServerRequest(
                workflow_request_id=WorkflowRequestId(workflow_request_id),
                request_id=request.request_id,
                state="AdminTask",
            )
            settlement = settle(said)
            await self.journal.record(
                Said(request_id=request.request_id, at=at, said=said, settlement=settlement)
            )

    async def view(self, access: Access, *, rate: float = 0) -> View:
        return View(
            client=await self.gateway.client(access),
            journal=self.journal,
            pace=Pace(self.ledger, server=access.base_url, rate=rate, clock=self.time.clock),
            clock=self.time.clock,
            stopping=self.stopping,
        )

    async def read(self, view: View) -> Reading:
        still_open = await self.ledger.read(open_requests, BATCH)
        return await read_states(view, still_open, since=first_day_of(make_batch().created_at))

    async def read_from(self, access: Access) -> Reading:
        return await self.read(await self.view(access))

    async def wait(self, access: Access, seconds: float) -> Reading | None:
        view = await self.view(access)
        return await wait_until_final(view, Wait(seconds=seconds), lambda: self.read(view))

    async def records(self) -> list[RequestRecord]:
        return await records_of(self.ledger)

    async def states(self) -> list[str]:
        return [record.state for record in await self.records()]


@pytest.fixture
def watch(ledger: Ledger, journal: Journal, gateway: Gateway, time: FakeClock) -> Watch:
    return Watch(ledger=ledger, journal=journal, gateway=gateway, time=time)
