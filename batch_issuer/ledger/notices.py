"""Queries on notices: what was told to whom, and what is still to be told."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, or_, select, update

from batch_issuer.clock import format_instant
from batch_issuer.ledger import tables
from batch_issuer.ledger.dialects import upsert

_known = tables.notices.c
_ALL: Final = tuple(column for column in _known if column.name != "told_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredNotice:
    """A notice for one channel."""

    channel: str
    """A digest that tells the channel, and nothing about it."""
    key: str
    kind: str
    about: str
    figure: int
    subject: str
    body: str
    attachment: str
    made_at: str
    until: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """That a notice was made once, for whichever channel."""

    kind: str
    key: str
    about: str
    figure: int
    made_at: str


def store_notices(connection: Connection, notices: Iterable[StoredNotice]) -> None:
    """Record what is to be told; what was recorded before, told or not, stays as it is."""
    rows: list[Mapping[str, object]] = [asdict(notice) for notice in notices]
    if rows:
        connection.execute(upsert(connection, tables.notices).on_conflict_do_nothing(), rows)


def notices_made(connection: Connection, *, about: Collection[str], since: datetime) -> list[Made]:
    """Return the notices about some things, and all that were made since an instant."""
    rows = connection.execute(
        select(_known.kind, _known.key, _known.about, _known.figure, _known.made_at)
        .where(or_(_known.about.in_(list(about)), _known.made_at >= format_instant(since)))
        .distinct()
    )
    return [Made(**row._asdict()) for row in rows]


def untold_notices(connection: Connection, channels: Collection[str], now: datetime) -> list[StoredNotice]:
    """Return what some channels are still to be told, the oldest first, and only what is still news."""
    rows = connection.execute(
        select(*_ALL)
        .where(_known.channel.in_(list(channels)), _known.told_at == "")
        .where(_known.until > format_instant(now))
        .order_by(_known.made_at, _known.key, _known.channel)
    )
    return [StoredNotice(**row._asdict()) for row in rows]


def note_told(connection: Connection, notice: StoredNotice, told_at: str) -> None:
    """Remember that a channel took a notice."""
    connection.execute(
        update(tables.notices)
        .where(_known.channel == notice.channel, _known.key == notice.key)
        .values(told_at=told_at)
    )
