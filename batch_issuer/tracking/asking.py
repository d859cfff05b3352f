"""Asks the server what it knows: reading creates nothing, so it may be asked again."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from batch_issuer.batch.outcomes import ServerError
from batch_issuer.clock import Clock
from batch_issuer.gateway import Answer, AnswerKind, Client
from batch_issuer.ledger import Journal
from batch_issuer.submission import Pace, pause

_TRIES: Final = 4
_STOPPED: Final = Answer(
    kind=AnswerKind.NOT_REACHED, error=ServerError(message="stopped before the server had answered")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All that reading the server's list needs."""

    client: Client
    journal: Journal
    pace: Pace
    clock: Clock
    stopping: asyncio.Event


async def ask(view: View, call: Callable[[], Awaitable[Answer]], *, tries: int = _TRIES) -> Answer:
    """Make a call at its turn, and again where it was too early, its token was old, or no answer came.

    Each of these may happen up to `tries` times (a token is renewed once). Returns the last answer, or one
    of kind NOT_REACHED where a stop was asked for before the first.
    """
    answer = _STOPPED
    may_renew = view.client.can_renew
    for attempt in range(tries):
        await view.pace.wait(view.stopping)
        if view.stopping.is_set():
            return answer
        answer = await call()
        match answer.kind:
            case AnswerKind.UNAUTHORIZED if may_renew:
                may_renew = False
            case AnswerKind.RATE_LIMITED:
                await view.pace.postpone(answer.retry_after or 2.0**attempt)
            case AnswerKind.NOT_REACHED | AnswerKind.IN_DOUBT:
                await pause(view.clock.random() * 2**attempt, view.clock, view.stopping)
            case _:
                return answer
    return answer
