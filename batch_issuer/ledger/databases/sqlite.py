"""The ledger in a file: SQLite, for one machine."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from batch_issuer.clock import Clock
from batch_issuer.errors import UsageError
from batch_issuer.ledger.databases.database import Database, Examined
from batch_issuer.ledger.databases.migrating import migrate
from batch_issuer.ledger.databases.sqlite_backup import forget_since_backup, is_backup
from batch_issuer.ledger.databases.sqlite_look import OPENING_SECONDS, look_at, primary_code, read_whole
from batch_issuer.ledger.databases.sqlite_place import check_place, prepare_place, without_links
from batch_issuer.ledger.databases.sqlite_space import give_back
from batch_issuer.ledger.databases.sqlite_threads import IN_TURN, NOW, Threads, open_writer
from batch_issuer.ledger.databases.sqlite_users import Users, one_at_a_time
from batch_issuer.tasks import see_through

_POLL_MS: Final = 8  # SQLite looks after 1, 3 and 8 ms
_PATIENCE_SECONDS: Final = 10.0
_THREADS: Final = 4
_GAP: Final = 0.015
"""Some looks of everyone who waits. It makes recording in blocks of 1.5 MB take half as long again, and
lets others in after one block: 99 of 100 small writes within 0.2 s."""
_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # a transition must survive power loss; grouped commits make it cheap
    "PRAGMA foreign_keys=ON",
    "PRAGMA cache_size=-32768",  # 32 MiB: request ids are spread over all of an index
    "PRAGMA wal_autocheckpoint=8192",  # the same pages again and again: copied once for 32 MiB of them
    f"PRAGMA busy_timeout={_POLL_MS}",  # last: the others may have to wait for a program that is closing
)
_ADVICE: Final = {
    sqlite3.SQLITE_FULL: "; make room on its disk",
    sqlite3.SQLITE_READONLY: "; let it be written, or name another with --ledger",
    sqlite3.SQLITE_BUSY: "; end the program that keeps it locked",
}


@asynccontextmanager
async def open_sqlite(url: URL, clock: Clock) -> AsyncIterator[Database]:
    """Open a file, made with its folder where it is missing.

    Raises UsageError where it can't be opened, is damaged, holds anything else, or lies on a network file
    system, and LedgerTooNew where a later version has written it; a file that is refused is not changed.
    """
    path = file_of(url)
    file = without_links(path)
    # parameters hold customers: they belong in no error and no traceback
    settings: dict[str, Any] = {"hide_parameters": True, "connect_args": {"timeout": OPENING_SECONDS}}
    engine = _prepared(create_engine(url, **settings))
    async with AsyncExitStack() as stack:
        users = stack.enter_context(closing(Users(file)))
        stack.callback(engine.dispose)
        # what it uses is closed behind it
        await see_through(asyncio.to_thread(_bring_up_to_date, engine, path, users, clock))
        pool = stack.enter_context(ThreadPoolExecutor(_THREADS, thread_name_prefix="ledger"))
        threads = Threads(engine=engine, pool=pool)
        yield Database(
            read=threads.read,
            write=threads.write,
            writer=partial(open_writer, engine, is_busy=_is_busy),
            threads=engine,
            engines=(engine,),
            now=lambda _: clock.now(),  # all who share a file are on one machine
            writers=1,  # they queue here instead of polling the file's lock
            gap=_GAP,
            give_back=partial(give_back, file),
        )


def examine_sqlite(url: URL, *, seconds: float) -> Examined:
    """Look at a file for damage, for some seconds at most, and make and change nothing.

    Raises UsageError and LedgerTooNew, as opening it would.
    """
    path = file_of(url)
    file = without_links(path)
    kind = f"SQLite {sqlite3.sqlite_version}"
    with _named_in_errors(path):
        check_place(file, str(path))
        if not (file.exists() or file.with_name(f"{file.name}-wal").exists()):
            return Examined(kind=kind, exists=False)
        with one_at_a_time(file.parent), closing(Users(file)) as users:
            is_alone = users.is_alone()  # as long as this is held, nobody opens the file
            current = look_at(file, str(path), is_alone=is_alone)
            whole = read_whole(file, str(path), is_alone=is_alone, seconds=seconds)
    exists = file.stat().st_size > 0
    return Examined(
        kind=kind, exists=exists, is_current=current, others=0 if is_alone else None, is_whole=whole
    )


def file_of(url: URL) -> Path:
    """Return the file. Raises UsageError where the URL names none."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        raise UsageError(f"the ledger {url} is no file, and would be forgotten; write it as sqlite:///PATH")
    if "uri" in url.query:  # its path would be another to SQLite than to all that looks after the file
        raise UsageError(f"the ledger {url} is named by a URI of SQLite's own; write it as sqlite:///PATH")
    return Path(url.database)


def _prepared(engine: Engine) -> Engine:
    """Let SQLAlchemy, not the driver, begin transactions: writers at once, so that none has to upgrade."""

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: object) -> None:  # noqa: ANN401 - a driver's own connection
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get("writing")
        if writing is None:
            connection.exec_driver_sql("BEGIN")
        else:
            _begin_writing(connection, patience=0.0 if writing == NOW else _PATIENCE_SECONDS)

    return engine


def _begin_writing(connection: Connection, *, patience: float) -> None:
    """Wait for the file's lock in short turns, some seconds at most.

    SQLite itself would look ever more rarely, and miss the gaps that a process leaves which writes much.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError as exc:
            if not _is_busy(exc) or time.monotonic() > deadline:
                raise
        else:
            return


def _is_busy(exc: OperationalError) -> bool:
    return primary_code(exc.orig) == sqlite3.SQLITE_BUSY


def _bring_up_to_date(engine: Engine, path: Path, users: Users, clock: Clock) -> None:
    """Take a place among the users of a file, and migrate its tables where needed."""
    file = without_links(path)
    with _named_in_errors(path):
        prepare_place(file, str(path))
        with one_at_a_time(file.parent):
            is_current = look_at(file, str(path), is_alone=users.is_alone())
            users.share()
            with engine.connect() as connection, connection.begin():
                is_restored = is_backup(connection)
            if is_current and not is_restored:
                return
            with engine.connect().execution_options(writing=IN_TURN) as connection, connection.begin():
                if not is_current:
                    migrate(connection)
                if is_restored:
                    forget_since_backup(connection, at=clock.timestamp())


@contextmanager
def _named_in_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as exc:
        error = getattr(exc, "orig", None)
        advice = _ADVICE.get(primary_code(error), "")
        raise UsageError(
            f"the ledger {path} can't be opened ({' '.join(str(error or exc).split())}){advice}"
        ) from exc
    except OSError as exc:
        raise UsageError(f"the ledger {path} can't be opened ({exc.strerror})") from exc
