"""Faults of a delivery: it comes twice, or with a token that has just expired."""

from dataclasses import dataclass
from typing import ClassVar

from aiohttp import web

from batch_issuer.sandbox.faults.base import Exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredTwice:
    """A proxy delivers the call twice; the caller gets one answer, the first or the second."""

    answers_second: bool = False
    after_accepting: ClassVar[bool] = True

    async def play(self, exchange: Exchange) -> web.StreamResponse:
        """Deliver the call once more."""
        second = await exchange.deliver()
        return second if self.answers_second or exchange.honest is None else exchange.honest


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiredToken:
    """All tokens expire just before this call: one that carries a token gets 401, a Basic one its answer."""

    after_accepting: ClassVar[bool] = False

    async def play(self, exchange: Exchange) -> web.StreamResponse:
        """Forget the tokens, then answer honestly."""
        exchange.forget_tokens()
        return await exchange.deliver()
