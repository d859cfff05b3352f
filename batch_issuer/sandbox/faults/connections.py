"""Faults of the connection: it breaks, or nothing comes over it."""

from dataclasses import dataclass

from aiohttp import web

from batch_issuer.sandbox.faults.base import Exchange, break_connection


@dataclass(frozen=True, slots=True, kw_only=True)
class DroppedConnection:
    """The connection breaks before any byte of an answer: it is closed (FIN), or reset (RST)."""

    after_accepting: bool = True
    reset: bool = False

    async def play(self, exchange: Exchange) -> web.StreamResponse:
        """Break the connection."""
        if not self.reset:
            # The system turns a close into a reset where bytes of the caller were never read.
            await exchange.request.read()
        return break_connection(exchange.request, reset=self.reset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """No answer comes for so long, or for as long as the sandbox is open; then the connection breaks."""

    after_accepting: bool = True
    seconds: float | None = None

    async def play(self, exchange: Exchange) -> web.StreamResponse:
        """Say nothing, then break the connection."""
        if self.seconds is None:
            await exchange.closing.wait()
        else:
            await exchange.pause(self.seconds)
        return break_connection(exchange.request)
