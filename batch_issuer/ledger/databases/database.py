"""What every database gives, whichever it is."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncEngine

T = TypeVar("T")


class Run(Protocol):
    """Runs a query in a transaction of its own."""

    async def __call__(self, query: Callable[[Connection], T]) -> T:
        """Run one query; what it wrote is durable when this returns."""


def _nothing(_: float) -> int:
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """An open database, its tables up to date."""

    read: Run
    """On one consistent view."""
    write: Run
    writer: Callable[[], AbstractAsyncContextManager[Run]]
    """Opens what does as `write`, for whoever writes often and little."""
    threads: Engine
    """For work in threads."""
    engines: tuple[Engine, ...]
    """All that hold connections."""
    now: Callable[[Connection], datetime]
    """The one clock that all who share the ledger go by."""
    reading: Mapping[str, Any] = field(default_factory=dict)
    """Execution options of a transaction that reads one consistent view."""
    writers: int
    """How many transactions of one process may write at once."""
    gap: float = 0.0
    """Seconds that one of many writes in a row leaves to other processes."""
    give_back: Callable[[float], int] = _nothing
    """Gives the space of what was deleted back to the disk, in so many seconds at most; returns the bytes."""
    timeline: int = 0
    """Changes where the database may have lost committed work: it was restored, or a standby took over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What a look at a database found, which changed nothing."""

    kind: str
    """The database and its version."""
    exists: bool
    """There are tables of ours; otherwise they are made when the ledger is opened."""
    is_current: bool = False
    """They are those of this version; otherwise they are brought up to date when the ledger is opened."""
    others: int | None = 0
    """How many connections other processes have; None where there are some, nobody knows how many."""
    is_whole: bool = True
    """What could be read of it to find damage was read to its end."""


def run_on(engine: AsyncEngine, **options: Any) -> Run:  # noqa: ANN401 - execution options are anything
    """Return what runs queries with connections of an engine."""

    async def run(query: Callable[[Connection], T]) -> T:
        async with engine.connect() as connection:
            await connection.execution_options(**options)
            async with connection.begin():
                return await connection.run_sync(query)

    return run


@asynccontextmanager
async def same(run: Run) -> AsyncIterator[Run]:
    """Open nothing."""
    yield run
