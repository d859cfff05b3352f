"""Work that must come to its end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")


async def see_through(work: Coroutine[Any, Any, T] | asyncio.Future[T]) -> T:
    """Finish some work even when the caller is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


class Certain(asyncio.Future[T]):
    """A result that will come: whoever waits for it and is cancelled waits for it first.

    As `see_through`, without a task and a second future for each wait.
    """

    def cancel(self, msg: object = None) -> bool:  # noqa: ARG002 - asyncio's own signature
        """Refuse: a task that is cancelled meanwhile ends when the result is there."""
        return False


async def until_first(*awaited: Awaitable[object]) -> None:
    """Wait until the first of some things has happened, and for none of the others any more."""
    waits = [asyncio.ensure_future(one) for one in awaited]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


@asynccontextmanager
async def stop_of_its_own(stopping: asyncio.Event) -> AsyncIterator[asyncio.Event]:
    """Give an event that some work may set without stopping others; a stop from outside sets it, too."""
    own = asyncio.Event()

    async def pass_on() -> None:
        await stopping.wait()
        own.set()

    if stopping.is_set():
        own.set()
    passing = asyncio.create_task(pass_on(), name="pass a stop on")
    try:
        yield own
    finally:
        passing.cancel()
        await asyncio.wait({passing})
