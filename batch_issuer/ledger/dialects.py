"""What SQL leaves to each database: locks for all of a ledger, and inserting or else updating."""

from enum import IntEnum
from typing import Final

from sqlalchemy import Connection, Table, func, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

_POSTGRESQL: Final = "postgresql"


class Lock(IntEnum):
    """What only one transaction of a whole ledger may be at.

    The numbers were drawn once: other programs may take locks of the same database.
    """

    MIGRATION = 7_305_181_242_016
    GUARDS = 7_305_181_242_017
    ACCOUNTS = 7_305_181_242_018


def lock_for_all(connection: Connection, lock: Lock) -> None:
    """Keep every other transaction out that asks for this lock, until this one ends.

    In SQLite a transaction that writes is the only one anyway.
    """
    if connection.dialect.name == _POSTGRESQL:
        connection.execute(select(func.pg_advisory_xact_lock(int(lock))))


def learn_sizes(connection: Connection, *tables: Table) -> None:
    """Let the database look how much tables hold, after many rows came in.

    PostgreSQL plans queries by what it last saw, and looks again by itself, but only in its own time:
    meanwhile it sorts all requests of a batch to read the next few. SQLite plans by its indexes alone.
    """
    if connection.dialect.name == _POSTGRESQL:
        names = ", ".join(table.name for table in tables)
        connection.execute(text(f"ANALYZE (SKIP_LOCKED) {names}"))


def reason_of(exc: SQLAlchemyError) -> str:
    """Return what the database gives as its reason, in one line and without the data at fault."""
    orig = getattr(exc, "orig", None)
    primary = getattr(getattr(orig, "diag", None), "message_primary", None)
    return " ".join(str(primary or orig or type(exc).__name__).split())


def upsert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Begin an insert that can say what happens on a conflict."""
    return postgresql.insert(table) if connection.dialect.name == _POSTGRESQL else sqlite.insert(table)
