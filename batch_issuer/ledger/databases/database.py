"""What every database gives, whichever it is."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncEngine

T = TypeVar("T")


class Write(Protocol):
    """Runs short queries one after another, each in a transaction that is durable when it returns."""

    async def __call__(self, query: Callable[[Connection], T]) -> T:
        """Run one query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """An open database, its tables up to date."""

    engine: AsyncEngine
    threads: Engine
    """For work in threads."""
    now: Callable[[Connection], datetime]
    """The one clock that all who share the ledger go by."""
    reading: Mapping[str, Any] = field(default_factory=dict)
    """Execution options of a transaction that reads one consistent view."""
    writing: Mapping[str, Any] = field(default_factory=dict)
    """Execution options of a transaction that writes."""
    writers: int
    """How many transactions of one process may write at once."""
    gap: float = 0.0
    """Seconds that one of many writes in a row leaves to other processes."""
    timeline: int = 0
    """Changes where the database may have lost committed work: it was restored, or a standby took over."""
    writer: Callable[[], AbstractAsyncContextManager[Write]] | None = None
    """Opens what writes often and little, where there is a faster way than `engine`."""
