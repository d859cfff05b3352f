"""The edge in front of the honest handlers: counters, rate limit, scripted faults, latency, trace ids."""

import asyncio
import hashlib
from collections import Counter
from typing import Final, cast

from aiohttp import web
from aiohttp.typedefs import Handler

from batch_issuer.sandbox.access import RateLimit
from batch_issuer.sandbox.answers import error_envelope
from batch_issuer.sandbox.faults import Exchange, Fault, Method, Script, Sleep
from batch_issuer.sandbox.refusals import RefusalError
from batch_issuer.sandbox.routes import json_response, refusal_response
from batch_issuer.sandbox.truth import Tally

TRUTH_ROUTE: Final = "truth"

_OK = 200
# Route name -> the method whose faults it meets, and the name its calls are counted under.
_WORKFLOW_CALLS: dict[str | None, tuple[Method, str]] = {
    "submit": ("POST", "POST ISSUE-BADGE"),
    "decide": ("PUT", "PUT ISSUE-BADGE"),
    "list": ("GET", "GET requests"),
    "read": ("GET", "GET requests/{id}"),
}


class Edge:
    """Passes each call on to its handler, unless a limit or a fault comes in between."""

    def __init__(self, *, limit: RateLimit, script: Script, latency_seconds: float, sleep: Sleep) -> None:
        self.calls: Counter[str] = Counter()
        self._tallies: dict[Method, Tally] = {"POST": Tally(), "PUT": Tally(), "GET": Tally()}
        self._limit = limit
        self._script = script
        self._latency_seconds = latency_seconds
        self._sleep = sleep
        self._closing = asyncio.Event()
        self._answered = 0

    @property
    def posts(self) -> Tally:
        """Say what became of the POSTs to ISSUE-BADGE."""
        return self._tallies["POST"]

    def close(self) -> None:
        """End all silence and all latency at once."""
        self._closing.set()

    @web.middleware
    async def answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer one call; all but the look at the truth are counted and carry a trace id."""
        route = request.match_info.route.name
        if route == TRUTH_ROUTE:
            return await handler(request)
        if route in _WORKFLOW_CALLS:
            method, name = _WORKFLOW_CALLS[route]
            self.calls[name] += 1
            response = await self._workflow_answer(request, handler, method=method)
        else:
            self.calls[f"{request.method} {route or 'elsewhere'}"] += 1
            response = await _honest_answer(request, handler)
            await self._wait()
        if not response.prepared:
            response.headers["X-CAP-REQUEST-ID"] = self._next_trace_id()
        return response

    async def _workflow_answer(
        self, request: web.Request, handler: Handler, *, method: Method
    ) -> web.StreamResponse:
        tally = self._tallies[method]
        tally.received += 1
        try:
            self._limit.take()
        except RefusalError as refusal:
            tally.count_refusal(refusal.status)
            return refusal_response(refusal)
        fault = self._script.take(method)
        if fault is not None and not fault.after_accepting:
            return await self._fault_alone(fault, request, tally=tally)
        honest = await _honest_answer(request, handler)
        # Counted before the answer goes out: it may be slow, or never come.
        if honest.status == _OK:
            tally.accepted += 1
        else:
            tally.count_refusal(honest.status)
        await self._wait()
        # What was refused was not accepted, so a fault after accepting has nothing to spoil.
        if fault is None or honest.status != _OK:
            return honest
        return await fault.play(self._exchange(request, honest=honest))

    async def _fault_alone(self, fault: Fault, request: web.Request, *, tally: Tally) -> web.StreamResponse:
        await self._wait()
        response = await fault.play(self._exchange(request, honest=None))
        tally.count_refusal(response.status)
        return response

    def _exchange(self, request: web.Request, *, honest: web.Response | None) -> Exchange:
        return Exchange(request=request, honest=honest, closing=self._closing, sleep=self._sleep)

    def _next_trace_id(self) -> str:
        self._answered += 1
        return hashlib.sha256(f"answer {self._answered}".encode()).hexdigest()[:32]

    async def _wait(self) -> None:
        if not self._latency_seconds:
            return
        waits = {
            asyncio.ensure_future(self._sleep(self._latency_seconds)),
            asyncio.ensure_future(self._closing.wait()),
        }
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


async def _honest_answer(request: web.Request, handler: Handler) -> web.Response:
    try:
        # Our handlers give whole responses; the wider type is aiohttp's.
        return cast("web.Response", await handler(request))
    except RefusalError as refusal:
        return refusal_response(refusal)
    except web.HTTPException as error:
        return json_response(error_envelope(error.status, error.reason), status=error.status)
