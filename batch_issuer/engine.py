"""Where work is done: in this process, or by an engine that spreads it over many.

An engine is believed in nothing. It may do a piece of work twice, at the same time even, lose what came of
it, or forget all of it: so work is done by the ledger, which alone says what is true and what is finished.
"""

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")
Work = Callable[[T], Awaitable[R]]
"""A function of a module; what it takes and returns can be pickled, and holds no secret."""

_AHEAD: Final = 2
"""So many pieces of work for each that can be done at a time are under way or waiting."""


class Engine(Protocol):
    """Does work somewhere."""

    @property
    def width(self) -> int:
        """How many pieces of work can be done at a time, now; at least 1."""

    async def run(self, work: "Work[T, R]", item: T, *, waits: bool = False) -> R:
        """Do a piece of work, and return what it returns or raise what it raises.

        One that mostly `waits` takes no place that others could be done in.

        It is done at least once, also where whoever does it dies on the way. When the caller is cancelled
        it is given up: then it may or may not have been done. Raises EngineUnavailable.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How large pieces of work are, where a file is checked and planned in parts."""

    part_bytes: int = 64 << 20
    """So much of a file is checked at a time."""
    unit_rows: int = 2_000_000
    """So many rows are planned at a time, and then recorded."""
    slice_bytes: int = 512 << 20
    """A group of more rows than that is planned in slices, one for so much of the file."""
    left_rows: int = 100_000
    """So many rows that are left out, or few more than that, are put in order at a time."""


class ThisProcess:
    """Does all work here, side by side on the event loop."""

    @property
    def width(self) -> int:
        """As many as there are processors."""
        return os.cpu_count() or 1

    async def run(self, work: "Work[T, R]", item: T, *, waits: bool = False) -> R:  # noqa: ARG002 - all do here
        """Do it at once."""
        return await work(item)


async def each(engine: Engine, work: "Work[T, R]", items: Iterable[T]) -> AsyncGenerator[R]:
    """Do some work for each item, and yield what comes of it in the order of the items.

    Few items are taken ahead, and few results held. The first in order that fails raises what it raised, and
    the others are given up.
    """
    under_way: deque[asyncio.Task[R]] = deque()
    try:
        for item in items:
            under_way.append(asyncio.create_task(_run(engine, work, item), name="piece of work"))
            if len(under_way) >= _AHEAD * engine.width:
                yield await under_way.popleft()
        while under_way:
            yield await under_way.popleft()
    finally:
        for task in under_way:
            task.cancel()
        if under_way:
            await asyncio.wait(under_way)


async def _run(engine: Engine, work: "Work[T, R]", item: T) -> R:
    return await engine.run(work, item)
