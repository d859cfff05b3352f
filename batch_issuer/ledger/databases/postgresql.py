"""The ledger on a server: PostgreSQL, for teams and several machines."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Engine, NullPool, create_engine, event, func, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from batch_issuer.errors import LedgerUnavailable, UsageError
from batch_issuer.ledger.databases.database import Database, Examined, run_on, same
from batch_issuer.ledger.databases.migrating import has_tables, is_current, migrate
from batch_issuer.ledger.dialects import Lock, lock_for_all, reason_of
from batch_issuer.tasks import see_through

_WRITERS: Final = 4
_CONNECTING: Final = {
    "application_name": "batch_issuer",
    "connect_timeout": "10",
    # a server that vanished without a word is noticed within a minute
    "keepalives_idle": "20",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
_SHORT: Final = (
    # whoever stops in the middle of a write keeps others away for less time than they wait
    "SET idle_in_transaction_session_timeout = '20s'",
    "SET lock_timeout = '30s'",
)
_MAY_MAKE_TABLES: Final = "SELECT has_schema_privilege(current_schema(), 'CREATE')"
_OTHERS: Final = (
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'batch_issuer'"
    " AND datname = current_database() AND pid <> pg_backend_pid()"
)
_LONG: Final = ()  # reports read one view for as long as they take, and keep nobody away


@asynccontextmanager
async def open_postgresql(url: URL) -> AsyncIterator[Database]:
    """Open a database on a server; the driver takes what the URL leaves out from libpq's own settings."""
    complete = _complete(url)
    # parameters hold customers: they belong in no error and no traceback
    threads = create_engine(complete, hide_parameters=True)
    engine = create_async_engine(complete, hide_parameters=True)
    server = _Server(url)
    event.listen(threads, "connect", partial(server.prepare, settings=_LONG))
    event.listen(engine.sync_engine, "connect", partial(server.prepare, settings=_SHORT))
    try:
        # what it uses is closed behind it
        timeline = await see_through(asyncio.to_thread(_bring_up_to_date, threads, url))
        reading = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        write = run_on(engine)
        yield Database(
            read=run_on(engine, **reading),
            write=write,
            writer=partial(same, write),
            threads=threads,
            engines=(threads, engine.sync_engine),
            now=_now,
            reading=reading,
            writers=_WRITERS,
            timeline=timeline,
        )
    finally:
        await engine.dispose()
        threads.dispose()


def examine_postgresql(url: URL) -> Examined:
    """Look at a database on a server, and change nothing. Raises what opening it would."""
    engine = create_engine(_complete(url), hide_parameters=True, poolclass=NullPool)
    event.listen(engine, "connect", partial(_Server(url).prepare, settings=_SHORT))
    name = url.render_as_string()
    try:
        with engine.connect().execution_options(postgresql_readonly=True) as connection:
            version = connection.exec_driver_sql("SHOW server_version").scalar_one().partition(" ")[0]
            current = is_current(connection, name)
            if not current and not connection.exec_driver_sql(_MAY_MAKE_TABLES).scalar_one():
                raise UsageError(
                    f"the ledger {name} has to be brought up to date, and its user may not do so"
                )
            return Examined(
                kind=f"PostgreSQL {version}",
                exists=has_tables(connection),
                is_current=current,
                others=connection.exec_driver_sql(_OTHERS).scalar_one(),
            )
    except SQLAlchemyError as exc:
        raise LedgerUnavailable(f"the ledger {name} can't be opened ({reason_of(exc)})") from exc
    finally:
        engine.dispose()


def _complete(url: URL) -> URL:
    try:
        import psycopg  # noqa: F401, PLC0415 - an optional extra
    except ImportError as exc:
        raise UsageError("a PostgreSQL ledger needs a driver: pip install 'batch_issuer[postgres]'") from exc
    return url.set(drivername="postgresql+psycopg", query={**_CONNECTING, **url.query})


class _Server:
    """Prepares every connection, and takes none to a server that was started anew meanwhile.

    What a server lost when it ended, or never had when it took over, only a new look at the ledger from
    the start finds out: so the process that noticed stops, and `resume` goes on.
    """

    def __init__(self, url: URL) -> None:
        self._name = url.render_as_string()
        self._started: datetime | None = None

    def prepare(self, connection: Any, _record: object, settings: Sequence[str]) -> None:  # noqa: ANN401 - a driver's own connection
        cursor = connection.cursor()
        cursor.execute(
            "SELECT pg_postmaster_start_time(), pg_is_in_recovery(), current_setting('synchronous_commit')"
        )
        started, is_standby, durability = cursor.fetchone()
        if durability in {"off", "local"}:  # a transition must survive the server's end
            cursor.execute("SET synchronous_commit = on")
        for setting in settings:
            cursor.execute(setting)
        cursor.close()
        connection.commit()
        if is_standby:
            raise LedgerUnavailable(f"the ledger {self._name} is a standby, and takes no writes")
        self._started = self._started or started
        if started != self._started:
            raise LedgerUnavailable(f"the ledger {self._name} was restarted, or another server took over")


def _bring_up_to_date(engine: Engine, url: URL) -> int:
    """Migrate where needed, and return the timeline."""
    name = url.render_as_string()
    try:
        with engine.begin() as connection:
            lock_for_all(connection, Lock.MIGRATION)
            if not is_current(connection, name):
                migrate(connection)
        return _timeline(engine)
    except SQLAlchemyError as exc:
        raise LedgerUnavailable(f"the ledger {name} can't be opened ({reason_of(exc)})") from exc


def _timeline(engine: Engine) -> int:
    """Return the number that a server counts up when it is restored, or promoted from a standby."""
    try:
        with engine.connect() as connection:
            segment = func.pg_walfile_name(func.pg_current_wal_lsn())
            return int(connection.execute(select(segment)).scalar_one()[:8], 16)
    except SQLAlchemyError:  # a service that speaks PostgreSQL, and keeps this to itself
        return 0


def _now(connection: Connection) -> datetime:
    """Tell the server's time: the clocks of those who share it may differ."""
    instant: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return instant
