"""The query of the pace: a GCRA (generic cell rate algorithm) in one row for each server."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert as upsert

from batch_issuer.ledger import tables

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_RETRY_AFTER: Final = timedelta(hours=2)
_MOST_CALLERS: Final = 5_000


def reserve_call(
    connection: Connection, server: str, clock: Callable[[], datetime], interval: timedelta
) -> timedelta:
    """Reserve the next free instant of a server's pace, and return how long it is until then."""
    now = clock()  # read here: waiting for the database must not count as time since the last call
    next_at = _next_at(connection, server)
    if next_at - now > _LONGEST_RETRY_AFTER + _MOST_CALLERS * interval:
        next_at = now  # written while a clock was wrong: nobody could have meant it
    start = max(next_at, now)
    _set(connection, server, start + interval)
    return start - now


def postpone_calls(connection: Connection, server: str, until: datetime) -> None:
    """Keep every later call away until an instant, as a 429 asks for."""
    _set(connection, server, max(_next_at(connection, server), until))


def _next_at(connection: Connection, server: str) -> datetime:
    row = select(tables.pace.c.next_at).where(tables.pace.c.server == server)
    return _EPOCH + timedelta(microseconds=connection.execute(row).scalar_one_or_none() or 0)


def _set(connection: Connection, server: str, at: datetime) -> None:
    row = upsert(tables.pace).values(server=server, next_at=(at - _EPOCH) // timedelta(microseconds=1))
    connection.execute(row.on_conflict_do_update(set_={"next_at": row.excluded.next_at}))
