"""The edge in front of the honest handlers: counters, rate limit, scripted faults, latency, trace ids."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from aiohttp import web
from aiohttp.typedefs import Handler

from batch_issuer.sandbox.access import OAUTH_HEADER, RateLimit
from batch_issuer.sandbox.answers import error_envelope
from batch_issuer.sandbox.control import CONTROL_ROUTES
from batch_issuer.sandbox.engine import Clock
from batch_issuer.sandbox.faults import Chance, Exchange, Fault, Method, Script, Sleep
from batch_issuer.sandbox.faults.base import pause
from batch_issuer.sandbox.refusals import RefusalError
from batch_issuer.sandbox.routes import json_response, refusal_response
from batch_issuer.sandbox.scenario import Scenario
from batch_issuer.sandbox.truth import Tally

_OK = 200
# Route name -> the method whose faults it meets, and the name its calls are counted under.
_LIMITED_CALLS: dict[str | None, tuple[Method, str]] = {
    "submit": ("POST", "POST ISSUE-BADGE"),
    "decide": ("PUT", "PUT ISSUE-BADGE"),
    "list": ("GET", "GET requests"),
    "read": ("GET", "GET requests/{id}"),
    "badge": ("GET", "GET badgeMeta/{id}"),
}


@dataclass(slots=True, kw_only=True)
class Delivery:
    """Brings one call to its handler as often as it is asked to, and counts what becomes of it."""

    request: web.Request
    handler: Handler
    tally: Tally
    times: int = 0

    async def __call__(self) -> web.Response:
        """Give the honest answer."""
        honest = await _honest_answer(self.request, self.handler)
        # Counted before the answer goes out: it may be slow, or never come.
        self.times += 1
        if honest.status == _OK:
            self.tally.accepted += 1
        else:
            self.tally.count_refusal(honest.status)
        return honest


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the edge and its faults take from the rest of the sandbox."""

    clock: Clock
    sleep: Sleep
    forget_tokens: Callable[[], None]
    elsewhere: Callable[[], str]


class Edge:
    """Passes each call on to its handler, unless a limit or a fault comes in between."""

    def __init__(self, *, scenario: Scenario, script: Script, surroundings: Surroundings) -> None:
        self.calls: Counter[str] = Counter()
        self._tallies: dict[Method, Tally] = {"POST": Tally(), "PUT": Tally(), "GET": Tally()}
        self._limit = RateLimit(scenario.rate_limit, clock=surroundings.clock)
        self._script = script
        self._chance = Chance(scenario)
        self._latency_seconds = scenario.latency_seconds
        self._surroundings = surroundings
        self._closing = asyncio.Event()
        self._answered = 0

    @property
    def posts(self) -> Tally:
        """Say what became of the POSTs to ISSUE-BADGE."""
        return self._tallies["POST"]

    def close(self) -> None:
        """End all silence, dripping and latency at once."""
        self._closing.set()

    @web.middleware
    async def answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer one call; all but the hands of a test are counted and carry a trace id."""
        route = request.match_info.route.name
        if route in CONTROL_ROUTES:
            return await handler(request)
        if route in _LIMITED_CALLS:
            method, name = _LIMITED_CALLS[route]
            self.calls[name] += 1
            response = await self._limited_answer(request, handler, method=method)
        else:
            self.calls[f"{request.method} {route or 'elsewhere'}"] += 1
            response = await _honest_answer(request, handler)
            await self._wait()
        if not response.prepared:
            response.headers["X-CAP-REQUEST-ID"] = self._next_trace_id()
        return response

    async def _limited_answer(
        self, request: web.Request, handler: Handler, *, method: Method
    ) -> web.StreamResponse:
        tally = self._tallies[method]
        tally.received += 1
        try:
            self._limit.take()
        except RefusalError as refusal:
            tally.count_refusal(refusal.status)
            return refusal_response(refusal)
        deliver = Delivery(request=request, handler=handler, tally=tally)
        fault = self._fault(request, method=method)
        if fault is None:
            honest = await deliver()
            await self._wait()
            return honest
        return await self._spoiled_answer(fault, deliver)

    def _fault(self, request: web.Request, *, method: Method) -> Fault | None:
        scripted = self._script.take(method)
        if scripted is not None:
            return scripted
        failure = None
        if request.match_info.route.name == "list":
            failure = self._chance.list_failure(number=self.calls["GET requests"])
        return failure or self._chance.fault(
            method, number=self._tallies[method].received, by_token=OAUTH_HEADER in request.headers
        )

    async def _spoiled_answer(self, fault: Fault, deliver: Delivery) -> web.StreamResponse:
        honest = await deliver() if fault.after_accepting else None
        await self._wait()
        # What was refused was not accepted, so a fault after accepting has nothing to spoil.
        if honest is not None and honest.status != _OK:
            return honest
        response = await fault.play(self._exchange(deliver, honest=honest))
        if not deliver.times:
            deliver.tally.count_refusal(response.status)
        return response

    def _exchange(self, deliver: Delivery, *, honest: web.Response | None) -> Exchange:
        around = self._surroundings
        return Exchange(
            request=deliver.request,
            honest=honest,
            closing=self._closing,
            sleep=around.sleep,
            clock=around.clock,
            deliver=deliver,
            forget_tokens=around.forget_tokens,
            elsewhere=around.elsewhere(),
        )

    def _next_trace_id(self) -> str:
        self._answered += 1
        return hashlib.sha256(f"answer {self._answered}".encode()).hexdigest()[:32]

    async def _wait(self) -> None:
        if self._latency_seconds:
            await pause(self._latency_seconds, sleep=self._surroundings.sleep, closing=self._closing)


async def _honest_answer(request: web.Request, handler: Handler) -> web.Response:
    try:
        # Our handlers give whole responses; the wider type is aiohttp's.
        return cast("web.Response", await handler(request))
    except RefusalError as refusal:
        return refusal_response(refusal)
    except web.HTTPException as error:
        return json_response(error_envelope(error.status, error.reason), status=error.status)
