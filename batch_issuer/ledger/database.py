"""Opens the ledger and runs queries on it: synchronous queries, run off the event loop."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from batch_issuer.errors import LedgerTooNew, LedgerUnavailable, UsageError

P = ParamSpec("P")
T = TypeVar("T")
Query = Callable[Concatenate[Connection, P], T]

_PRAGMAS: Final = (
    "PRAGMA busy_timeout=10000",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # a transition must survive power loss; grouped commits make it cheap
    "PRAGMA foreign_keys=ON",
)


class Ledger:
    """The durable record of batches, requests and attempts.

    `read` and `write` run one query function in one transaction; `snapshot` serves threads that write
    reports. Every one of them raises LedgerUnavailable where the database fails.
    """

    def __init__(self, engine: AsyncEngine, threads: Engine) -> None:
        """Take engines that `open_ledger` has prepared."""
        self._engine = engine
        self._threads = threads
        self._turn = asyncio.Lock()  # writers of one process queue here instead of polling the file's lock

    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query on a consistent view."""
        with _translated():
            async with self._engine.connect() as connection:
                return await connection.run_sync(query, *args, **kwargs)

    async def write(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query in a transaction of its own that is durable when this returns."""
        with _translated():
            async with self._turn, self._engine.connect() as connection:
                await connection.execution_options(writing=True)
                async with connection.begin():
                    return await connection.run_sync(query, *args, **kwargs)

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Hold one consistent view, for use in a thread."""
        with _translated(), self._threads.connect() as connection, connection.begin():
            yield connection


@asynccontextmanager
async def open_ledger(url: str) -> AsyncIterator[Ledger]:
    """Open a ledger, creating or migrating it where needed.

    Raises UsageError where it can't be opened, and LedgerTooNew where a later version has written it.
    """
    plain = make_url(url)
    if not plain.database or plain.database == ":memory:":
        raise UsageError(f"the ledger {url} is no file, and would be forgotten; write it as sqlite:///PATH")
    folder = Path(plain.database).parent
    await asyncio.to_thread(_make_folder, folder)
    # parameters hold customers: they belong in no error and no traceback
    threads = _prepared(create_engine(plain, hide_parameters=True))
    engine = create_async_engine(plain.set(drivername="sqlite+aiosqlite"), hide_parameters=True)
    _prepared(engine.sync_engine)
    try:
        await asyncio.to_thread(_migrate, threads, url, folder)
        yield Ledger(engine, threads)
    finally:
        await engine.dispose()
        threads.dispose()


def ledger_exists(url: str) -> bool:
    """Tell whether there is a ledger to open; opening one makes it."""
    return Path(make_url(url).database or "").is_file()


def _make_folder(folder: Path) -> None:
    """Make a folder that outlasts a power loss, as what is written into it does."""
    try:
        missing = [made for made in (folder, *folder.parents) if not made.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for made in missing:
            parent = os.open(made.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(parent)
            finally:
                os.close(parent)
    except OSError as exc:
        raise UsageError(f"the ledger's folder {folder} can't be made ({exc.strerror})") from exc


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
        writing = connection.get_execution_options().get("writing", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _migrate(engine: Engine, url: str, folder: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    try:
        with _one_at_a_time(folder):
            with engine.connect() as connection:
                present = MigrationContext.configure(connection).get_current_revision()
            if present == scripts.get_current_head():
                return
            if present not in {None, *(script.revision for script in scripts.walk_revisions())}:
                raise LedgerTooNew(str(present))
            with engine.connect().execution_options(writing=True) as connection, connection.begin():
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
    except SQLAlchemyError as exc:
        reason = str(getattr(exc, "orig", exc))
        raise UsageError(f"the ledger {url} can't be opened ({reason})") from exc


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Let programs open a ledger one after another: two that turn a new file to WAL at once collide."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # a file system without locks: the database's own must do
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as exc:
        reason = str(getattr(exc, "orig", None) or type(exc).__name__)
        raise LedgerUnavailable(f"the ledger can't be used now ({reason})") from exc
