"""The sandbox as a whole: a server on loopback, its record, and the hands of a test on it."""

import asyncio
import time
from collections import Counter
from types import TracebackType
from typing import Any, Final, Self

from aiohttp import web

from batch_issuer.sandbox.access import Access, RateLimit
from batch_issuer.sandbox.edge import TRUTH_ROUTE, Edge
from batch_issuer.sandbox.engine import Clock, Engine
from batch_issuer.sandbox.faults import (
    AnswerInstead,
    DroppedConnection,
    Fault,
    Method,
    Script,
    Silence,
    Sleep,
)
from batch_issuer.sandbox.records import Decision, Record, State, Verdict
from batch_issuer.sandbox.routes import Routes, json_response
from batch_issuer.sandbox.scenario import Credentials, Scenario
from batch_issuer.sandbox.truth import truth_of

TRUTH_PATH: Final = "/sandbox/truth"

_LOOPBACK = "127.0.0.1"
_LARGEST_BODY = 64 * 1024 * 1024


class Sandbox:
    """A simulated workflow API, open inside its `async with`."""

    def __init__(  # noqa: PLR0913 - every one is a free choice of a test
        self,
        *,
        scenario: Scenario | None = None,
        credentials: Credentials | None = None,
        host: str = _LOOPBACK,
        port: int = 0,
        clock: Clock = time.time,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.scenario = scenario or Scenario()
        self.credentials = credentials or Credentials()
        self._host = host
        self._port = port
        self._engine = Engine(scenario=self.scenario, clock=clock)
        self._access = Access(scenario=self.scenario, credentials=self.credentials, clock=clock)
        self._script = Script()
        self._edge = Edge(
            limit=RateLimit(self.scenario.rate_limit, clock=clock),
            script=self._script,
            latency_seconds=self.scenario.latency_seconds,
            sleep=sleep,
        )
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        routes = Routes(scenario=self.scenario, engine=self._engine, access=self._access)
        app = web.Application(middlewares=[self._edge.answer], client_max_size=_LARGEST_BODY)
        app.add_routes([*routes.table(), web.get(TRUTH_PATH, self._tell_truth, name=TRUTH_ROUTE)])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=10.0)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError:
            await self._runner.cleanup()
            raise
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._edge.close()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Give the address of the open sandbox, without a path."""
        return f"http://{_LOOPBACK}:{self._port}"

    @property
    def requests(self) -> tuple[Record, ...]:
        """Give every workflow request in order of acceptance."""
        return self._engine.records

    @property
    def posts(self) -> int:
        """Say how many POSTs to ISSUE-BADGE came in, whatever became of them."""
        return self._edge.posts.received

    @property
    def calls(self) -> Counter[str]:
        """Count the calls by method and route, such as "GET requests" or "POST token"."""
        return self._edge.calls

    def truth(self) -> dict[str, Any]:
        """Give the simulator's own account as JSON values."""
        return truth_of(self.requests, posts=self._edge.posts, calls=self.calls)

    def decide(
        self, workflow_request_id: str, verdict: Verdict, *, message: str = "decided in the sandbox"
    ) -> Record:
        """Decide one request as a checker would; refuse one that is unknown or no longer waits."""
        return self._engine.decide(workflow_request_id, Decision(verdict=verdict, message=message))

    def decide_all(self, verdict: Verdict, *, message: str = "decided in the sandbox") -> tuple[Record, ...]:
        """Decide every request that waits, in order of acceptance."""
        waiting = [record for record in self.requests if record.state is State.WAITING]
        return tuple(self.decide(record.workflow_request_id, verdict, message=message) for record in waiting)

    def forget_tokens(self) -> None:
        """Make all OAuth tokens handed out so far invalid."""
        self._access.forget_tokens()

    def will(self, fault: Fault, *, method: Method = "POST") -> None:
        """Let the next call of this method that has no fault yet meet this one."""
        self._script.add(fault, method=method)

    def will_answer(
        self,
        status: int,
        *,
        retry_after: int | str | None = None,
        body: bytes | None = None,
        accept_first: bool = False,
    ) -> None:
        """Answer the next POST like this; with `accept_first` the request is recorded all the same."""
        self.will(
            AnswerInstead(status=status, retry_after=retry_after, body=body, after_accepting=accept_first)
        )

    def will_drop_the_connection(self, *, after_accepting: bool = True) -> None:
        """Break the connection of the next POST."""
        self.will(DroppedConnection(after_accepting=after_accepting))

    def will_not_answer(self, *, after_accepting: bool = True) -> None:
        """Leave the next POST without an answer until the sandbox closes."""
        self.will(Silence(after_accepting=after_accepting))

    def will_answer_reads(
        self, status: int, *, retry_after: int | str | None = None, body: bytes | None = None
    ) -> None:
        """Answer the next GET like this."""
        self.will(AnswerInstead(status=status, retry_after=retry_after, body=body), method="GET")

    async def _tell_truth(self, _request: web.Request) -> web.Response:
        return json_response(self.truth())
