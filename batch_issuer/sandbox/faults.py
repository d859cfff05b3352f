"""Faults that a test scripts: what a caller meets in place of the honest answer.

A fault is any value with `after_accepting` and `play`; a new kind of fault is a new class.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import orjson
from aiohttp import web

from batch_issuer.sandbox.answers import error_envelope

Sleep = Callable[[float], Awaitable[None]]
Method = Literal["POST", "PUT", "GET"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What a fault may use; `honest` is the answer it replaces, where the request was processed first."""

    request: web.Request
    honest: web.Response | None
    closing: asyncio.Event
    sleep: Sleep


class Fault(Protocol):
    """Something that goes wrong in one exchange."""

    @property
    def after_accepting(self) -> bool:
        """Say whether the request is processed before things go wrong."""

    async def play(self, exchange: Exchange) -> web.StreamResponse:
        """Give the answer that the caller meets, or break the connection and give an empty one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerInstead:
    """Another answer than the honest one; without a body the error envelope of its status."""

    status: int
    retry_after: int | str | None = None
    body: bytes | None = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    after_accepting: bool = False

    async def play(self, exchange: Exchange) -> web.StreamResponse:  # noqa: ARG002 - part of what a fault is
        """Give the scripted answer."""
        body = orjson.dumps(error_envelope(self.status)) if self.body is None else self.body
        response = web.Response(
            status=self.status, body=body, content_type=self.content_type, headers=self.headers
        )
        if self.retry_after is not None:
            response.headers["Retry-After"] = str(self.retry_after)
        return response


@dataclass(frozen=True, slots=True, kw_only=True)
class DroppedConnection:
    """The connection breaks before any byte of an answer."""

    after_accepting: bool = True

    async def play(self, exchange: Exchange) -> web.StreamResponse:
        """Break the connection."""
        return _break_connection(exchange.request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """No answer comes for as long as the sandbox is open."""

    after_accepting: bool = True

    async def play(self, exchange: Exchange) -> web.StreamResponse:
        """Say nothing until the sandbox closes, then break the connection."""
        await exchange.closing.wait()
        return _break_connection(exchange.request)


class Script:
    """The faults to come, one queue for each method."""

    def __init__(self) -> None:
        self._queues: defaultdict[Method, deque[Fault]] = defaultdict(deque)

    def add(self, fault: Fault, *, method: Method) -> None:
        """Let the next call of this method that has no fault yet meet this one."""
        self._queues[method].append(fault)

    def take(self, method: Method) -> Fault | None:
        """Give the fault of this call, and forget it."""
        queue = self._queues[method]
        return queue.popleft() if queue else None


def _break_connection(request: web.Request) -> web.StreamResponse:
    # A caller that gave up has taken the transport with it.
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
