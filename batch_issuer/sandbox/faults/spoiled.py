"""Faults that spoil the honest answer on its way; the request behind it was processed."""

import asyncio
import gzip
import hashlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson
from aiohttp import web

from batch_issuer.sandbox.faults.base import Exchange, stream

_JSON = "application/json"
_GZIP_HEADER_BYTES = 10
_PADDING = b" " * 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class TruncatedAnswer:
    """A 200 that promises the whole body by its Content-Length, and ends in the middle."""

    after_accepting: ClassVar[bool] = True

    async def play(self, exchange: Exchange) -> web.StreamResponse:
        """Send half of the answer and close the connection."""
        body = exchange.honest_body
        response = _streamed(length=len(body))
        await stream(exchange, response, _whole(body[: len(body) // 2]))
        if exchange.request.transport is not None:
            exchange.request.transport.close()
        return response


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongContentType:
    """The right JSON under another content type."""

    content_type: str = "text/plain"
    after_accepting: ClassVar[bool] = True

    async def play(self, exchange: Exchange) -> web.StreamResponse:
        """Give the honest body under the wrong name."""
        return web.Response(body=exchange.honest_body, content_type=self.content_type)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowDrip:
    """The honest answer in pieces with pauses, so many seconds in all; closing the sandbox cuts it off."""

    seconds: float
    pieces: int = 20
    after_accepting: ClassVar[bool] = True

    async def play(self, exchange: Exchange) -> web.StreamResponse:
        """Let the answer drip."""
        response = _streamed(length=len(exchange.honest_body))
        return await stream(exchange, response, self._drip(exchange))

    async def _drip(self, exchange: Exchange) -> AsyncIterator[bytes]:
        body = exchange.honest_body
        size = max(1, -(-len(body) // self.pieces))
        for start in range(0, len(body), size):
            await exchange.pause(self.seconds / self.pieces)
            yield body[start : start + size]


@dataclass(frozen=True, slots=True, kw_only=True)
class GzippedAnswer:
    """The honest answer as gzip, whether the caller asked for it or not; `corrupt` can't be unpacked."""

    corrupt: bool = False
    after_accepting: ClassVar[bool] = True

    async def play(self, exchange: Exchange) -> web.StreamResponse:
        """Give the packed answer."""
        packed = gzip.compress(exchange.honest_body, mtime=0)
        if self.corrupt:
            head, rest = packed[:_GZIP_HEADER_BYTES], packed[_GZIP_HEADER_BYTES:]
            packed = head + bytes(byte ^ 0xFF for byte in rest)
        return web.Response(body=packed, content_type=_JSON, headers={"Content-Encoding": "gzip"})


@dataclass(frozen=True, slots=True, kw_only=True)
class HugeAnswer:
    """The honest answer behind blanks, so many bytes in all: valid JSON, and never in memory at once."""

    size_bytes: int = 300 * 1024 * 1024
    after_accepting: ClassVar[bool] = True

    async def play(self, exchange: Exchange) -> web.StreamResponse:
        """Stream the answer for as long as the caller reads."""
        return await stream(exchange, _streamed(length=None), self._pieces(exchange.honest_body))

    async def _pieces(self, body: bytes) -> AsyncIterator[bytes]:
        left = max(0, self.size_bytes - len(body))
        while left:
            piece = _PADDING[:left]
            left -= len(piece)
            yield piece
            # A caller that reads fast never makes a write wait, and others want their turn.
            await asyncio.sleep(0)
        yield body


@dataclass(frozen=True, slots=True, kw_only=True)
class AnotherRequestNamed:
    """An answer about another request: both of its ids are those given, or invented ones. Or another badge.

    A list is left as it is: its reader expects the requests of others there.
    """

    workflow_request_id: str | None = None
    request_id: str | None = None
    after_accepting: ClassVar[bool] = True

    async def play(self, exchange: Exchange) -> web.StreamResponse:
        """Give the honest answer under other ids."""
        document = orjson.loads(exchange.honest_body)
        if isinstance(document["data"], dict):
            self._rename(document["data"])
        return web.Response(body=orjson.dumps(document), content_type=_JSON)

    def _rename(self, data: dict[str, Any]) -> None:
        if "details" not in data:  # a badge
            data["id"] = hashlib.sha256(data["id"].encode()).hexdigest()[:24]
            return
        digest = hashlib.sha256(data["requestId"].encode()).digest()
        details = data["details"]
        request_id = self.request_id or f"another-{digest.hex()[:12]}"
        data["requestId"] = self.workflow_request_id or str(uuid.UUID(bytes=digest[:16], version=4))
        details["IntouchAPITask-Payload"]["body"]["requestId"] = request_id
        inner = details.get("IntouchAPITask_Output", {}).get("body", {}).get("data")
        if inner is not None:
            inner["requestId"] = request_id


async def _whole(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _streamed(*, length: int | None) -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_type = _JSON
    response.content_length = length
    return response
