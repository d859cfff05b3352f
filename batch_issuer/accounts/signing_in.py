"""Signing in and out, each one transaction with its entry in the audit log."""

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from pydantic import SecretStr
from sqlalchemy import Connection

from batch_issuer.accounts.lockout import find_lock, place_of, unknown_name
from batch_issuer.accounts.proofs import digest_of
from batch_issuer.accounts.roles import User, plain_name
from batch_issuer.clock import format_instant
from batch_issuer.ledger.audit import Action, Actor, Entry, Via, append
from batch_issuer.ledger.sessions import (
    SessionRecord,
    delete_ended_sessions,
    delete_session,
    find_session,
    insert_session,
    note_seen,
)
from batch_issuer.ledger.tokens import find_token_by_digest
from batch_issuer.ledger.users import UserRecord, find_user, store_password

log = logging.getLogger(__name__)

IDLE: Final = timedelta(hours=8)
LONGEST: Final = timedelta(hours=24)
_SEEN: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A browser is signed in: it must hold the cookie, and nothing else may."""

    cookie: SecretStr
    user: User


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Nobody is signed in; why is the same for names that there are and for others."""

    until: datetime | None = None
    """Until when every try is refused, where there were too many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A browser that is signed in."""

    user: User
    created_at: str
    ends_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Somebody who says who they are, and what there is to compare it with."""

    name: str
    """As the audit log tells it."""
    address: str
    record: UserRecord | None = field(repr=False)
    locked_until: datetime | None

    @property
    def stored(self) -> str:
        """What the password must match; nothing where nobody can sign in under this name."""
        return "" if self.record is None or self.record.disabled_at else self.record.password


def begin_attempt(connection: Connection, typed: str, *, address: str, now: datetime) -> Attempt:
    """Look up who somebody says they are, and whether they may try at all."""
    name = plain_name(typed)
    record = None if name is None else find_user(connection, name)
    about = unknown_name(typed) if record is None else record.user
    lock = find_lock(connection, name=about, address=address, now=now)
    return Attempt(name=about, address=address, record=record, locked_until=lock)


def note_failure(connection: Connection, attempt: Attempt, *, now: datetime) -> datetime | None:
    """Count a failure; return until when it locks the name or the address."""
    place, at = place_of(attempt.address), format_instant(now)
    nobody = Actor(user="", via=Via.PAGE, address=place)
    exact = {} if place == attempt.address else {"address": attempt.address}
    append(connection, Entry.by(nobody, Action.SIGN_IN_REFUSED, at=at, about=attempt.name, detail=exact))
    until = find_lock(connection, name=attempt.name, address=attempt.address, now=now)
    if until is not None:
        detail = {"reason": "too many failures", "until": format_instant(until)}
        append(connection, Entry.by(nobody, Action.ACCESS_REFUSED, at=at, about=attempt.name, detail=detail))
    return until


def still_holds(connection: Connection, attempt: Attempt) -> UserRecord | None:
    """Return the user, unless they were disabled or got another password since that was compared."""
    record = find_user(connection, attempt.name)
    if record is None or record.disabled_at or record.password != attempt.stored:
        return None
    return record


def begin_session(
    connection: Connection, attempt: Attempt, cookie: SecretStr, *, now: datetime, rehashed: str
) -> User | None:
    """Sign a browser in; None where the user was disabled or got another password meanwhile."""
    record = still_holds(connection, attempt)
    if record is None:
        return None
    at = format_instant(now)
    if rehashed:
        store_password(connection, record.user, rehashed)
    delete_ended_sessions(connection, now=at, last_seen=format_instant(now - IDLE))
    insert_session(connection, _session_of(record.user, cookie, now))
    actor = Actor(user=record.user, via=Via.PAGE, address=attempt.address)
    append(connection, Entry.by(actor, Action.SIGNED_IN, at=at, about=record.user))
    return User.from_record(record)


def renew_session(connection: Connection, user: str, cookie: SecretStr, *, now: datetime) -> None:
    """Give a browser a session that knows nothing of the one before."""
    insert_session(connection, _session_of(user, cookie, now))


def _session_of(user: str, cookie: SecretStr, now: datetime) -> SessionRecord:
    at = format_instant(now)
    return SessionRecord(
        digest=digest_of(cookie.get_secret_value()),
        user=user,
        created_at=at,
        seen_at=at,
        ends_at=format_instant(now + LONGEST),
    )


def find_signed_in(connection: Connection, digest: str, *, now: datetime) -> tuple[Session, bool] | None:
    """Return the session of a cookie, and whether it is time to note that it was seen."""
    record = find_session(connection, digest)
    user = None if record is None else find_user(connection, record.user)
    if record is None or user is None or user.disabled_at:
        return None
    seen = datetime.fromisoformat(record.seen_at)
    if record.ends_at <= format_instant(now) or now - seen >= IDLE:
        return None
    session = Session(user=User.from_record(user), created_at=record.created_at, ends_at=record.ends_at)
    return session, now - seen >= _SEEN


def touch(connection: Connection, digest: str, at: str) -> None:
    """Note that a session is in use."""
    note_seen(connection, digest, at)


def end_session(connection: Connection, digest: str, *, address: str, at: str) -> None:
    """Sign a browser out."""
    record = find_session(connection, digest)
    if record is not None and delete_session(connection, digest):
        actor = Actor(user=record.user, via=Via.PAGE, address=address)
        append(connection, Entry.by(actor, Action.SIGNED_OUT, at=at, about=record.user))


def find_bearer(connection: Connection, digest: str, *, at: str) -> User | None:
    """Return whose token this is, if it is valid and its user may be let in."""
    token = find_token_by_digest(connection, digest)
    if token is None or token.revoked_at or token.ends_at <= at:
        return None
    user = find_user(connection, token.user)
    return None if user is None or user.disabled_at else User.from_record(user)
