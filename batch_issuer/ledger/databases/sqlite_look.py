"""A look at a ledger's file that changes nothing, before it is opened to be written."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, NullPool, create_engine
from sqlalchemy.exc import SQLAlchemyError

from batch_issuer.errors import UsageError
from batch_issuer.ledger.databases.migrating import is_current

OPENING_SECONDS: Final = 30.0
"""How long to wait for a file that another program is just closing: it writes its whole log home first,
and keeps everybody away meanwhile."""
_EMPTY: Final = 1
"""SQLite takes a file of one byte for empty, too."""
_STEPS: Final = 10_000
"""So many of SQLite's steps take some milliseconds."""


def look_at(file: Path, name: str, *, is_alone: bool) -> bool:
    """Tell whether a file holds the tables of this version, and refuse one that can't be trusted.

    `is_alone` says that nobody else uses the file for certain: a log that still lies beside it then means
    that the last user died, and the whole file is checked. It is checked before tables are migrated, too.

    Raises UsageError where the file is damaged or no ledger, LedgerTooNew where a later version has
    written it, and SQLAlchemyError where it can't be read now. None of them has changed a byte of the file
    or of its log.
    """
    has_log = _size(_beside(file, "-wal")) > 0
    if has_log and _size(file) <= _EMPTY:  # SQLite would take the log for a leftover, and delete it
        raise _damaged(name, "it is empty or missing, but its log is there")
    if not _size(file):
        return False
    engine = _looking(file, is_still=is_alone and not has_log)
    try:
        with engine.connect() as connection:
            if is_alone and has_log:
                _check(connection, name)
            if is_alone and not has_log:
                _measure(connection, file, name)
            current = is_current(connection, name)
            if not current:
                _check(connection, name)
            return current
    except SQLAlchemyError as exc:
        error = getattr(exc, "orig", None)
        if primary_code(error) not in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise
        raise _damaged(name, str(error)) from exc
    finally:
        engine.dispose()


def read_whole(file: Path, name: str, *, is_alone: bool, seconds: float) -> bool:
    """Read all of a file that `look_at` has let pass; False where some seconds were not enough for it.

    Raises UsageError where it is damaged, and SQLAlchemyError where it can't be read now.
    """
    has_log = _size(_beside(file, "-wal")) > 0
    deadline = time.monotonic() + seconds
    engine = _looking(file, is_still=is_alone and not has_log, is_over=lambda: time.monotonic() > deadline)
    try:
        with engine.connect() as connection:
            found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    except SQLAlchemyError as exc:
        match primary_code(getattr(exc, "orig", None)):
            case sqlite3.SQLITE_INTERRUPT:
                return False
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
                raise _damaged(name, str(exc.orig)) from exc  # type: ignore[attr-defined]
        raise
    finally:
        engine.dispose()
    if found != "ok":
        raise _damaged(name, found)
    return True


def primary_code(error: BaseException | None) -> int:
    """Return SQLite's code for a kind of error, and 0 for none of its errors."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _looking(file: Path, *, is_still: bool, is_over: Callable[[], bool] | None = None) -> Engine:
    """Connect read-only: whoever may write would write the log home in closing, over what is damaged.

    What takes long is broken off when it `is_over`.

    A file that nobody changes is read without locks, which would leave files of their own behind. What
    was cut off before the file had its first tables has to be taken back, which needs writing.
    """
    if _size(_beside(file, "-journal")):
        access = "mode=rw"
    elif is_still:
        access = "mode=ro&immutable=1"
    else:
        access = "mode=ro"
    address = f"{file.as_uri()}?{access}"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(address, uri=True, timeout=OPENING_SECONDS)
        if is_over is not None:
            connection.set_progress_handler(is_over, _STEPS)
        return connection

    return create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)


def _check(connection: Connection, name: str) -> None:
    """Read the whole file: the disk sets the pace, so that leaving the indexes out would save nothing.

    200 MB take 3.4 s from the disk and 0.4 s from memory; `quick_check` takes 3.2 s and 0.2 s.
    """
    found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one()
    if found != "ok":
        raise _damaged(name, found)


def _measure(connection: Connection, file: Path, name: str) -> None:
    """Refuse a file that ends within a page: SQLite itself misses whole pages, and else reads zeros."""
    connection.exec_driver_sql("SELECT 1 FROM sqlite_schema")  # only then is the size of a page known
    if _size(file) % int(connection.exec_driver_sql("PRAGMA page_size").scalar_one()):
        raise _damaged(name, "its end is cut off")


def _damaged(name: str, reason: str) -> UsageError:
    return UsageError(
        f"the ledger {name} is damaged, or no ledger at all ({' '.join(reason.split())}), and was not "
        f"changed; restore it from a backup (what is in {Path(name).name}-wal belongs to this one file "
        "alone), or name another with --ledger: a new one does not know what was sent, and lets badges be "
        "issued twice"
    )


def _beside(file: Path, ending: str) -> Path:
    return file.with_name(file.name + ending)


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
