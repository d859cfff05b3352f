"""The queries of the pace: a GCRA (generic cell rate algorithm) in one row for each server."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, bindparam, select, update

from batch_issuer.ledger import tables
from batch_issuer.ledger.dialects import upsert
from batch_issuer.ledger.prepared import Prepared

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_RETRY_AFTER: Final = timedelta(hours=2)
_MOST_CALLERS: Final = 5_000
_known = tables.pace.c
Now = Callable[[Connection], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The turn of one call."""

    delay: timedelta
    """How long it is until then."""
    not_before: datetime
    """What the latest 429 had put off when the turn was given; a later one makes it void."""


def reserve_call(connection: Connection, server: str, now: Now, interval: timedelta) -> Turn:
    """Reserve the next free instant of a server's pace."""
    next_at, not_before = _locked(connection, server)
    instant = now(
        connection
    )  # read here: waiting for the database must not count as time since the last call
    if next_at - instant > _LONGEST_RETRY_AFTER + _MOST_CALLERS * interval:
        next_at = instant  # written while a clock was wrong: nobody could have meant it
    start = max(next_at, instant)
    _set(connection, server, start + interval, not_before)
    return Turn(delay=start - instant, not_before=not_before)


def postpone_calls(connection: Connection, server: str, now: Now, delay: timedelta) -> None:
    """Keep every call away for some time, as a 429 asks for: also those that have their turn already."""
    next_at, not_before = _locked(connection, server)
    until = now(connection) + delay
    _set(connection, server, max(next_at, until), max(not_before, until))


def is_void(connection: Connection, server: str, turn: Turn) -> bool:
    """Tell whether a 429 came after a turn was given."""
    rows = _look.fetch(connection, {"server_": server})
    return bool(rows) and _instant(rows[0].not_before) != turn.not_before


_row = select(_known.next_at, _known.not_before).where(_known.server == bindparam("server_"))
_look = Prepared(lambda _: _row)
_lock = Prepared(lambda _: _row.with_for_update())
_change = Prepared(
    lambda _: (
        update(tables.pace)
        .where(_known.server == bindparam("server_"))
        .values(next_at=bindparam("next"), not_before=bindparam("until"))
    )
)


def _locked(connection: Connection, server: str) -> tuple[datetime, datetime]:
    """Return the row of a server, which nobody else changes until this transaction ends."""
    rows = _lock.fetch(connection, {"server_": server})
    if not rows:
        new = upsert(connection, tables.pace).values(server=server, next_at=0)
        connection.execute(new.on_conflict_do_nothing())
        rows = _lock.fetch(connection, {"server_": server})
    return _instant(rows[0].next_at), _instant(rows[0].not_before)


def _set(connection: Connection, server: str, next_at: datetime, not_before: datetime) -> None:
    values = {"server_": server, "next": _number(next_at), "until": _number(not_before)}
    _change.run(connection, [values])


def _instant(number: int) -> datetime:
    return _EPOCH + timedelta(microseconds=number)


def _number(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)
