"""Opens the database that a URL names."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from batch_issuer.clock import Clock
from batch_issuer.errors import UsageError
from batch_issuer.ledger.databases.database import Database, Examined
from batch_issuer.ledger.databases.postgresql import examine_postgresql, open_postgresql
from batch_issuer.ledger.databases.sqlite import examine_sqlite, file_of, open_sqlite
from batch_issuer.ledger.databases.sqlite_backup import copy_file


@asynccontextmanager
async def open_database(url: str, clock: Clock) -> AsyncIterator[Database]:
    """Open the database that a URL names, creating or migrating the tables where needed.

    Raises UsageError where it can't be opened or is not ours, LedgerTooNew where a later version has
    written it, and LedgerUnavailable where its server can't be reached now.
    """
    parsed = _parsed(url)
    opening = open_postgresql(parsed) if _is_postgresql(parsed) else open_sqlite(parsed, clock)
    async with opening as database:
        yield database


def database_exists(url: str) -> bool:
    """Tell whether there is a database to open; opening a file makes it."""
    parsed = _parsed(url)
    return _is_postgresql(parsed) or file_of(parsed).is_file()


def copy_database(url: str, target: Path, *, on_pages: Callable[[], None]) -> None:
    """Copy a database that is a file into an empty file, as `copy_file` does."""
    copy_file(file_of(_parsed(url)), target, on_pages=on_pages)


def examine_database(url: str, *, seconds: float) -> Examined:
    """Look at the database that a URL names, and make and change nothing; damage is looked for some seconds.

    Raises what opening it would.
    """
    parsed = _parsed(url)
    return examine_postgresql(parsed) if _is_postgresql(parsed) else examine_sqlite(parsed, seconds=seconds)


def database_file(url: str) -> Path | None:
    """Return the file of a database, or None for a database on a server."""
    parsed = _parsed(url)
    return None if _is_postgresql(parsed) else file_of(parsed)


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError) as exc:  # its message may hold the URL, and that a password
        raise UsageError("LEDGER can't be read: write sqlite:///PATH or postgresql://USER@HOST/NAME") from exc


def _is_postgresql(url: URL) -> bool:
    return url.get_backend_name() == "postgresql"
