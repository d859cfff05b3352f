"""Follows the states until all are final, or time is up."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from batch_issuer.gateway import AnswerKind
from batch_issuer.submission import pause
from batch_issuer.tracking.asking import View
from batch_issuer.tracking.polling import Reading

FIRST_DELAY: Final = 5.0
LONGEST_DELAY: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """How long the states are followed, and when they are read first; both in seconds."""

    seconds: float = 0.0
    first_delay: float = FIRST_DELAY


async def wait_until_final(view: View, wait: Wait, read: Callable[[], Awaitable[Reading]]) -> Reading | None:
    """Poll after 5 s, doubling to 60 s, and return the last reading; None where there was none.

    Ends once no request is open, when time is up, and where asking again can't help.
    """
    deadline = view.clock.now() + timedelta(seconds=wait.seconds)
    delay = wait.first_delay
    reading: Reading | None = None
    while not view.stopping.is_set():
        left = (deadline - view.clock.now()).total_seconds()
        if left <= 0:
            break
        await pause(min(delay, left), view.clock, view.stopping)
        if view.stopping.is_set():
            break
        reading = await read()
        if reading.is_complete or (reading.failure is not None and reading.failure.kind in _HOPELESS):
            break
        delay = min(delay * 2, LONGEST_DELAY)
    return reading


_HOPELESS: Final = frozenset({AnswerKind.UNAUTHORIZED, AnswerKind.FORBIDDEN, AnswerKind.REFUSED})
