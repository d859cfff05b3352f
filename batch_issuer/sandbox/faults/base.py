"""What a fault is, what it may use, and the script that says which call meets which."""

import asyncio
import socket
import struct
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Protocol

from aiohttp import web

Sleep = Callable[[float], Awaitable[None]]
Method = Literal["POST", "PUT", "GET"]

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What a fault may use; `honest` is the answer it replaces, where the request was processed first.

    `deliver` has the request processed (once more), `elsewhere` is the address of another loopback port.
    """

    request: web.Request
    honest: web.Response | None
    closing: asyncio.Event
    sleep: Sleep
    clock: Callable[[], float]
    deliver: Callable[[], Awaitable[web.Response]]
    forget_tokens: Callable[[], None]
    elsewhere: str

    @property
    def honest_body(self) -> bytes:
        """Give the body of the honest answer; it is empty where nothing was processed."""
        body = self.honest.body if self.honest is not None else None
        return body if isinstance(body, bytes) else b""

    async def pause(self, seconds: float) -> None:
        """Let time pass, and no more of it once the sandbox closes."""
        await pause(seconds, sleep=self.sleep, closing=self.closing)


class Fault(Protocol):
    """Something that goes wrong in one exchange."""

    @property
    def after_accepting(self) -> bool:
        """Say whether the request is processed before things go wrong."""

    async def play(self, exchange: Exchange) -> web.StreamResponse:
        """Give the answer that the caller meets, or break the connection and give an empty one."""


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


async def pause(seconds: float, *, sleep: Sleep, closing: asyncio.Event) -> None:
    """Sleep, or wake up early because the sandbox closes."""
    waits = {asyncio.ensure_future(sleep(seconds)), asyncio.ensure_future(closing.wait())}
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def break_connection(request: web.Request, *, reset: bool = False) -> web.StreamResponse:
    """Close the connection under an exchange: with a FIN, or with a reset that throws away what was sent."""
    # A caller that gave up has taken the transport with it.
    if request.transport is not None:
        if reset:
            connection = request.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        request.transport.abort()
    return web.Response()


async def stream(
    exchange: Exchange, response: web.StreamResponse, pieces: AsyncIterator[bytes]
) -> web.StreamResponse:
    """Send piece after piece until they end, the caller leaves, or the sandbox closes and breaks it off."""
    sending = asyncio.ensure_future(_send(exchange.request, response, pieces))
    closing = asyncio.ensure_future(exchange.closing.wait())
    try:
        await asyncio.wait({sending, closing}, return_when=asyncio.FIRST_COMPLETED)
        if not sending.done():
            break_connection(exchange.request)
    finally:
        closing.cancel()
        sending.cancel()
    return response


async def _send(request: web.Request, response: web.StreamResponse, pieces: AsyncIterator[bytes]) -> None:
    # Writing waits for the caller to read, so what lies in memory is one piece and the socket's buffers.
    with suppress(ConnectionError):
        await response.prepare(request)
        async for piece in pieces:
            if request.transport is None:
                return
            await response.write(piece)
