"""Writes what comes to the disk, off the event loop."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from batch_issuer.tasks import see_through
from batch_issuer.uploads.folders import Incoming

_WRITTEN_AT_ONCE: Final = 1 << 20


async def write_all(parts: AsyncIterator[bytes], incoming: Incoming) -> None:
    """Write parts as they come, about a megabyte at a time."""
    waiting = bytearray()
    async for part in parts:
        waiting += part
        if len(waiting) >= _WRITTEN_AT_ONCE:
            await see_through(asyncio.to_thread(incoming.write, bytes(waiting)))
            waiting.clear()
    await see_through(asyncio.to_thread(incoming.write, bytes(waiting)))
