"""Queries on the users of the console."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Self

from sqlalchemy import Connection, Row, exists, select, update

from batch_issuer.ledger import tables
from batch_issuer.ledger.dialects import upsert

_known = tables.users.c


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRecord:
    """A user as the ledger holds them."""

    user: str
    password: str = field(default="", repr=False)
    """As argon2 hashed it: never shown, and empty for who signs in elsewhere."""
    roles: frozenset[str]
    created_at: str
    disabled_at: str = ""

    @classmethod
    def from_row(cls, row: Row[Any]) -> Self:
        """Read a row of the table."""
        facts = row._asdict()
        return cls(**{**facts, "roles": frozenset(facts["roles"].split())})


def insert_user(connection: Connection, record: UserRecord) -> bool:
    """Record a user; False where the name is taken."""
    row = {
        "user": record.user,
        "password": record.password,
        "roles": _joined(record.roles),
        "created_at": record.created_at,
        "disabled_at": record.disabled_at,
    }
    statement = upsert(connection, tables.users).values(row).on_conflict_do_nothing()
    return connection.execute(statement.returning(_known.user)).one_or_none() is not None


def find_user(connection: Connection, user: str) -> UserRecord | None:
    """Return one user, if there is one of that name."""
    row = connection.execute(select(tables.users).where(_known.user == user)).one_or_none()
    return None if row is None else UserRecord.from_row(row)


def list_users(connection: Connection) -> list[UserRecord]:
    """Return all users by name."""
    rows = connection.execute(select(tables.users).order_by(_known.user))
    return [UserRecord.from_row(row) for row in rows]


def have_users(connection: Connection) -> bool:
    """Tell whether there is any user."""
    return bool(connection.execute(select(exists().select_from(tables.users))).scalar_one())


def store_password(connection: Connection, user: str, password: str) -> None:
    """Keep another hash of a password, or none."""
    connection.execute(update(tables.users).where(_known.user == user).values(password=password))


def store_roles(connection: Connection, user: str, roles: Collection[str]) -> None:
    """Give a user other roles."""
    connection.execute(update(tables.users).where(_known.user == user).values(roles=_joined(roles)))


def store_disabled(connection: Connection, user: str, disabled_at: str) -> None:
    """Remember since when a user is disabled, or, with nothing, that they are not."""
    connection.execute(update(tables.users).where(_known.user == user).values(disabled_at=disabled_at))


def _joined(roles: Collection[str]) -> str:
    return " ".join(sorted(roles))
