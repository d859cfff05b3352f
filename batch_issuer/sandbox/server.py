"""The sandbox as a whole: a server on loopback, its record, and the hands of a test on it."""

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from batch_issuer.sandbox.access import Access, basic_header
from batch_issuer.sandbox.control import Control
from batch_issuer.sandbox.edge import Edge, Surroundings
from batch_issuer.sandbox.elsewhere import Elsewhere
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
from batch_issuer.sandbox.list_lies import ListLies
from batch_issuer.sandbox.records import Decision, Record, State, Verdict
from batch_issuer.sandbox.routes import Routes
from batch_issuer.sandbox.scenario import Credentials, Scenario
from batch_issuer.sandbox.truth import truth_of

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
        self._clock = clock
        self._host = host
        self._port = port
        self._engine = Engine(scenario=self.scenario, clock=clock)
        self._access = Access(scenario=self.scenario, credentials=self.credentials, clock=clock)
        self._lies = ListLies(scenario=self.scenario, clock=clock)
        self._script = Script()
        self._elsewhere = Elsewhere()
        self._edge = Edge(
            scenario=self.scenario,
            script=self._script,
            surroundings=self._surroundings(clock, sleep),
        )
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._elsewhere)
            runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=10.0)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, self._host, self._port).start()
            stack.callback(self._edge.close)
            self._port = runner.addresses[0][1]
            self._open = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._open.aclose()

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

    @property
    def strays(self) -> dict[str, int]:
        """Count the calls that followed a redirect elsewhere, and those that brought credentials along."""
        return {"calls": self._elsewhere.calls, "with_credentials": self._elsewhere.with_credentials}

    def truth(self) -> dict[str, Any]:
        """Give the simulator's own account as JSON values."""
        return truth_of(self.requests, posts=self._edge.posts, calls=self.calls, strays=self.strays)

    def decide(
        self, workflow_request_id: str, verdict: Verdict, *, message: str = "decided in the sandbox"
    ) -> Record:
        """Decide one request as a checker would; refuse one that is unknown or no longer waits."""
        return self._engine.decide(workflow_request_id, Decision(verdict=verdict, message=message))

    def decide_all(self, verdict: Verdict, *, message: str = "decided in the sandbox") -> tuple[Record, ...]:
        """Decide every request that waits, in order of acceptance."""
        waiting = [record for record in self.requests if record.state is State.WAITING]
        return tuple(self.decide(record.workflow_request_id, verdict, message=message) for record in waiting)

    def change_maker_password(self, password: str) -> None:
        """Know the maker by another password from now on, in calls and in the inner calls of requests."""
        known = self.credentials
        self._engine.revoke(basic_header(known.maker_username, known.maker_password))
        self.credentials = replace(known, maker_password=password)
        self._access.change_credentials(self.credentials)

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

    def _surroundings(self, clock: Clock, sleep: Sleep) -> Surroundings:
        return Surroundings(
            clock=clock,
            sleep=sleep,
            forget_tokens=self._access.forget_tokens,
            elsewhere=lambda: self._elsewhere.url,
        )

    def _app(self) -> web.Application:
        routes = Routes(
            scenario=self.scenario,
            engine=self._engine,
            access=self._access,
            lies=self._lies,
            clock=self._clock,
        )
        control = Control(truth=self.truth, decide_all=self.decide_all)
        app = web.Application(middlewares=[self._edge.answer], client_max_size=_LARGEST_BODY)
        app.add_routes([*routes.table(), *control.table()])
        return app
