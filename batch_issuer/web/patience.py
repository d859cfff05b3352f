"""How long the console waits for what is sent to it: a slow sender must not hold it for ever."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """What is demanded of who sends a body."""

    seconds: float = 30.0
    """How long to wait for anything at all, and how long a sender may take before its speed counts."""
    bytes_a_second: int = 1_000
    """How fast a body must come from then on."""


async def patiently(
    read: Callable[[], Awaitable[bytes]], patience: Patience, *, most: int, limit: str
) -> AsyncIterator[bytes]:
    """Yield the parts of a body until one is empty.

    Raises HTTPRequestTimeout for one that comes too slowly, and HTTPRequestEntityTooLarge for one of more
    than `most` bytes, which is the limit that is named.
    """
    began, size = time.monotonic(), 0
    while part := await _in_time(read, patience):
        size += len(part)
        if size > most:
            raise web.HTTPRequestEntityTooLarge(
                max_size=most, actual_size=size, text=f"It is larger than {most:,} bytes: {limit}."
            )
        yield part
        spent = time.monotonic() - began
        if spent > patience.seconds and size < spent * patience.bytes_a_second:
            raise _too_slow()


async def _in_time(read: Callable[[], Awaitable[bytes]], patience: Patience) -> bytes:
    try:
        async with asyncio.timeout(patience.seconds):
            return await read()
    except TimeoutError:
        raise _too_slow() from None


def _too_slow() -> web.HTTPRequestTimeout:
    return web.HTTPRequestTimeout(text="It came too slowly, and nothing of it was kept; send it again.")
