"""Queries on sessions: which browsers are signed in. Only digests of their cookies are known."""

from dataclasses import asdict, dataclass, field

from sqlalchemy import Connection, delete, insert, or_, select, update

from batch_issuer.ledger import tables

_known = tables.sessions.c


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """A browser that is signed in."""

    digest: str = field(repr=False)
    user: str
    created_at: str
    seen_at: str
    ends_at: str


def insert_session(connection: Connection, session: SessionRecord) -> None:
    """Record a session."""
    connection.execute(insert(tables.sessions).values(asdict(session)))


def find_session(connection: Connection, digest: str) -> SessionRecord | None:
    """Return a session by the digest of its cookie."""
    row = connection.execute(select(tables.sessions).where(_known.digest == digest)).one_or_none()
    return None if row is None else SessionRecord(**row._asdict())


def note_seen(connection: Connection, digest: str, seen_at: str) -> None:
    """Remember when a session was last used."""
    connection.execute(update(tables.sessions).where(_known.digest == digest).values(seen_at=seen_at))


def delete_session(connection: Connection, digest: str) -> bool:
    """End a session; False where there was none."""
    return connection.execute(delete(tables.sessions).where(_known.digest == digest)).rowcount == 1


def delete_sessions_of(connection: Connection, user: str) -> int:
    """End all sessions of a user, and count them."""
    return connection.execute(delete(tables.sessions).where(_known.user == user)).rowcount


def delete_ended_sessions(connection: Connection, *, now: str, last_seen: str) -> None:
    """Forget sessions that are over, or were last used at an instant or before."""
    over = or_(_known.ends_at <= now, _known.seen_at <= last_seen)
    connection.execute(delete(tables.sessions).where(over))
