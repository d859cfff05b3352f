"""Time, sleep and randomness as one value, so that tests can pass their own."""

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

_SPAN: Final = re.compile(r"([0-9]{1,5}) ?([hdw])")
_UNITS: Final = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _uptime() -> float:
    # the monotonic clock stands still while a machine is suspended, a lease does not
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """The machine's clock by default."""

    now: Callable[[], datetime] = _utc_now
    """The present instant, in UTC."""
    uptime: Callable[[], float] = _uptime
    """Seconds since the machine started, those spent suspended included; it never jumps."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    """Wait for some seconds."""
    tick: Callable[[float], Awaitable[None]] = asyncio.sleep
    """Wait for some seconds in the background of the work: a clock whose sleep moves time on at once
    would run away with what ticks for ever."""
    random: Callable[[], float] = random.random
    """A number from 0 up to 1."""

    def timestamp(self) -> str:
        """Return the present instant as it stands in files and the ledger: `2026-01-31T08:15:00Z`."""
        return format_instant(self.now())


def format_instant(instant: datetime) -> str:
    """Write an instant in UTC with whole seconds."""
    return _written(instant.replace(microsecond=0))


@lru_cache(maxsize=16)
def _written(second: datetime) -> str:
    """Write a second once for all that happens in it."""
    return f"{second.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"


def parse_span(text: str) -> timedelta:
    """Read a span of time as people write it: `36h`, `90d`, `12w`. Raises ValueError."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no span of time; write it like 90d, 12w or 36h")
    return int(found[1]) * _UNITS[found[2]]
