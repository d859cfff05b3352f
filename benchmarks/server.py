"""A server that answers each submission as fast as Python can: what is measured against it is the client.

`python -m benchmarks.server` prints its port. It keeps nothing but counts, holds answers back for some
milliseconds where that is asked for, and can refuse what comes above a rate, by fixed or sliding windows.
"""

import argparse
import asyncio
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, cast

import orjson
import uvloop

_END_OF_HEAD: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_PAYLOAD: Final = b'"payload":'
_STATISTICS: Final = b"GET /statistics"


@dataclass(slots=True, kw_only=True)
class Limit:
    """How many submissions a window allows, and how windows follow each other."""

    most: int
    seconds: float
    is_sliding: bool
    _accepted: deque[float]

    def allows(self, now: float) -> bool:
        """Tell whether one more is allowed now, and count it if so."""
        start = now - self.seconds if self.is_sliding else now // self.seconds * self.seconds
        while self._accepted and self._accepted[0] <= start - (not self.is_sliding) * 1e-9:
            self._accepted.popleft()
        if len(self._accepted) >= self.most:
            return False
        self._accepted.append(now)
        return True


@dataclass(slots=True, kw_only=True)
class Desk:
    """What all connections share."""

    latency: float
    limit: Limit | None
    answered: int = 0
    refused: int = 0
    first: float = 0.0
    last: float = 0.0
    """When the first and the last were answered."""

    def answer(self, head: bytes, body: bytes) -> bytes:
        """Answer one request, in the form of the contract."""
        if head.startswith(_STATISTICS):
            told = {name: getattr(self, name) for name in ("answered", "refused", "first", "last")}
            return _response(b"200 OK", orjson.dumps(told))
        now = time.monotonic()
        if self.limit is not None and not self.limit.allows(now):
            self.refused += 1
            return _response(b"429 Too Many Requests", b"{}")
        self.answered += 1
        self.first, self.last = self.first or now, now
        at = body.find(_PAYLOAD)
        details = body[at + len(_PAYLOAD) : -1] if at >= 0 else b"{}"
        number = b"%d" % self.answered
        return _response(
            b"200 OK",
            b'{"data":{"requestId":"' + number + b'","state":"AdminTask","details":' + details + b"}}",
        )


def _response(status: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        status,
        len(body),
        body,
    )


class _Connection(asyncio.Protocol):
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(_END_OF_HEAD)) >= 0:
            head = self._received[:end]
            length = _LENGTH.search(head)
            whole = end + len(_END_OF_HEAD) + (int(length[1]) if length else 0)
            if len(self._received) < whole:
                return
            body, self._received = self._received[end + len(_END_OF_HEAD) : whole], self._received[whole:]
            self._send(self._desk.answer(head, body))

    def _send(self, answer: bytes) -> None:
        if self._desk.latency:
            asyncio.get_running_loop().call_later(self._desk.latency, self._transport.write, answer)
        else:
            self._transport.write(answer)


async def _serve(desk: Desk, port: int, tell: Callable[[int], None]) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(desk), "127.0.0.1", port)
    tell(server.sockets[0].getsockname()[1])
    await server.serve_forever()


@contextmanager
def running_server(*options: str) -> Iterator[str]:
    """Run a server in a process of its own, and yield its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.server", *options], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None  # noqa: S101 - for the type alone: it is a pipe
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def main() -> None:
    """Serve until terminated."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    options.add_argument("--most", type=int, default=0, help="submissions in a window; 0 is no limit")
    options.add_argument("--window", type=float, default=60.0, help="seconds of a window")
    options.add_argument("--sliding", action="store_true", help="the window slides")
    options.add_argument("--port", type=int, default=0, help="where to listen; 0 is any free port")
    chosen = options.parse_args()
    limit = Limit(most=chosen.most, seconds=chosen.window, is_sliding=chosen.sliding, _accepted=deque())
    desk = Desk(latency=chosen.latency, limit=limit if chosen.most else None)
    uvloop.run(_serve(desk, chosen.port, lambda port: print(port, flush=True)))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
