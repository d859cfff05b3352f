"""Engines as bad as an engine may be: what they do is pickled, done twice, late, or lost."""

import asyncio
import pickle
from collections.abc import Callable
from typing import Any

from batch_issuer.engine import ThisProcess


def again(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - what this test has pickled itself


class Elsewhere(ThisProcess):
    """Does all work here, with what it would have in another process: pickled and read again."""

    async def run(self, work: Any, item: Any, **_how: Any) -> Any:
        there, given = again((work, item))
        return again(await there(given))


class Twice(Elsewhere):
    """Does each piece twice at the same time, and believes the second."""

    async def run(self, work: Any, item: Any, **_how: Any) -> Any:
        _, last = await asyncio.gather(super().run(work, item), super().run(work, item))
        return last


class Forgetful(Elsewhere):
    """Loses what came of each piece, and does it once more."""

    async def run(self, work: Any, item: Any, **_how: Any) -> Any:
        await super().run(work, item)
        return await super().run(work, item)


class Watched(Elsewhere):
    """Calls somebody before each piece, and remembers all that it was given."""

    def __init__(self, before: Callable[[str, Any], None] = lambda _name, _item: None) -> None:
        self.done: list[tuple[Any, Any]] = []
        self._before = before

    async def run(self, work: Any, item: Any, **_how: Any) -> Any:
        self._before(work.__name__, item)
        self.done.append((work, item))
        return await super().run(work, item)
