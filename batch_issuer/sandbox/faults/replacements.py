"""Faults that give another answer than the honest one, from the server or from a proxy before it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate

import orjson
from aiohttp import web

from batch_issuer.sandbox.answers import error_envelope
from batch_issuer.sandbox.faults.base import Exchange


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
class EdgePage:
    """An HTML page of an edge proxy, with the proxy's cookie; status 200 is possible too."""

    status: int = 502
    after_accepting: bool = False

    async def play(self, exchange: Exchange) -> web.StreamResponse:  # noqa: ARG002 - part of what a fault is
        """Give the page."""
        page = f"<html><head><title>{self.status}</title></head><body><h1>{self.status}</h1></body></html>"
        headers = {"Server": "edge", "Set-Cookie": "__edge=invented; path=/; HttpOnly"}
        return web.Response(status=self.status, text=page, content_type="text/html", headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyAnswer:
    """A status without a body."""

    status: int = 200
    after_accepting: bool = True

    async def play(self, exchange: Exchange) -> web.StreamResponse:  # noqa: ARG002 - part of what a fault is
        """Give nothing but the status."""
        return web.Response(status=self.status, content_type="application/json")


@dataclass(frozen=True, slots=True, kw_only=True)
class TooManyRequests:
    """A 429 whose Retry-After is a number of seconds or, `as_date`, a moment as an HTTP date."""

    wait_seconds: int = 1
    as_date: bool = False
    after_accepting: bool = False

    async def play(self, exchange: Exchange) -> web.StreamResponse:
        """Ask the caller to wait."""
        until = formatdate(exchange.clock() + self.wait_seconds, usegmt=True)
        retry_after = until if self.as_date else self.wait_seconds
        return await AnswerInstead(status=429, retry_after=retry_after).play(exchange)


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirected:
    """A redirect, without a location to the sandbox's other port, which counts who follows."""

    status: int = 307
    location: str | None = None
    after_accepting: bool = False

    async def play(self, exchange: Exchange) -> web.StreamResponse:
        """Send the caller elsewhere."""
        location = self.location or f"{exchange.elsewhere}{exchange.request.path_qs}"
        return web.Response(status=self.status, headers={"Location": location})
