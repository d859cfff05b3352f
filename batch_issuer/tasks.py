"""Work that must come to its end."""

import asyncio
from collections.abc import Coroutine
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
