"""A ledger on a PostgreSQL server: opened with care, and left alone once the server was another one."""

import asyncio
import builtins
import shutil
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from batch_issuer.errors import LedgerTooNew, LedgerUnavailable, UsageError
from batch_issuer.ledger import Ledger, open_journal, open_ledger
from batch_issuer.ledger.requests import count_by_stage
from batch_issuer.ledger.tables import metadata
from batch_issuer.ledger.transitions import mark_forgotten
from tests.conftest import BATCH, make_requests, open_connections, plan, records_of
from tests.postgresql import Databases, PostgresServer

pytestmark = pytest.mark.postgres


@pytest.fixture
def url(postgres_databases: Databases) -> str:
    return postgres_databases.new_database()


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


async def asked(ledger: Ledger, question: str) -> object:
    return await ledger.write(lambda connection: connection.exec_driver_sql(question).scalar_one())


def differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


async def test_migrating_from_nothing_gives_the_tables_that_the_queries_know(url: str) -> None:
    async with open_ledger(url) as ledger:
        assert await ledger.read(differences) == []


async def test_many_programs_may_make_one_ledger_at_once(url: str) -> None:
    async def open_and_count() -> int:
        async with open_ledger(url) as ledger:
            return len(await records_of(ledger))

    assert await asyncio.gather(*(open_and_count() for _ in range(5))) == [0] * 5


async def test_what_was_written_is_there_when_the_ledger_is_opened_again(url: str) -> None:
    async with open_ledger(url) as ledger:
        await plan(ledger, make_requests(2))
        assert open_connections(ledger) == 0
    async with open_ledger(url) as ledger:
        assert len(await records_of(ledger)) == 2


async def test_tables_of_another_program_are_left_as_they_are(url: str) -> None:
    execute(url, "create table letters (text text)")
    with pytest.raises(UsageError, match="another program"):
        async with open_ledger(url):
            pass
    with psycopg.connect(url) as connection:
        names = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
    assert names == [("letters",)]


async def test_a_ledger_of_a_later_version_is_refused(url: str) -> None:
    async with open_ledger(url):
        pass
    execute(url, "update alembic_version set version_num = '9999'")
    with pytest.raises(LedgerTooNew, match="9999"):
        async with open_ledger(url):
            pass


async def test_a_schema_of_its_own_keeps_the_ledger_apart_from_other_tables(url: str) -> None:
    execute(url, "create table letters (text text)", "create schema badges")
    async with open_ledger(f"{url}?options=-csearch_path%3Dbadges") as ledger:
        await plan(ledger, make_requests(1))
    with psycopg.connect(url) as connection:
        assert connection.execute("select count(*) from badges.requests").fetchone() == (1,)


@pytest.mark.parametrize("weak", ["off", "local"])
async def test_what_is_recorded_is_durable_also_where_the_database_is_set_to_less(
    url: str, weak: str
) -> None:
    execute(url, f"alter database {urlsplit(url).path[1:]} set synchronous_commit = {weak}")
    async with open_ledger(url) as ledger:
        assert await asked(ledger, "show synchronous_commit") == "on"


async def test_a_stricter_durability_is_left_as_it_is(url: str) -> None:
    execute(url, f"alter database {urlsplit(url).path[1:]} set synchronous_commit = remote_apply")
    async with open_ledger(url) as ledger:
        assert await asked(ledger, "show synchronous_commit") == "remote_apply"


async def test_whoever_stops_in_the_middle_of_a_write_keeps_others_away_for_less_time_than_they_wait(
    url: str,
) -> None:
    async with open_ledger(url) as ledger:
        idle = "select setting::int from pg_settings where name = 'idle_in_transaction_session_timeout'"
        lock = "select setting::int from pg_settings where name = 'lock_timeout'"
        assert 0 < int(str(await asked(ledger, idle))) < int(str(await asked(ledger, lock)))
        with ledger.snapshot() as connection:  # reports read one view for as long as they take
            assert connection.exec_driver_sql(idle).scalar_one() == 0


async def test_a_view_does_not_change_while_it_is_read(url: str) -> None:
    async with open_ledger(url) as ledger:
        with ledger.snapshot() as connection:
            count = connection.exec_driver_sql("select count(*) from requests").scalar_one()
            await plan(ledger, make_requests(2))
            assert connection.exec_driver_sql("select count(*) from requests").scalar_one() == count == 0


async def test_a_view_can_change_nothing(url: str) -> None:
    async with open_ledger(url) as ledger:
        with pytest.raises(LedgerUnavailable, match="read-only"):
            await ledger.read(lambda connection: connection.exec_driver_sql("delete from requests"))


async def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    with pytest.raises(LedgerUnavailable, match="can't be opened") as refused:
        async with open_ledger("postgresql://issuer:hunter22@127.0.0.1:1/badges"):
            pass
    assert "127.0.0.1" in str(refused.value)
    assert "hunter22" not in str(refused.value)
    assert "\n" not in str(refused.value)


async def test_a_ledger_that_can_not_be_parsed_shows_no_password() -> None:
    with pytest.raises(UsageError, match="LEDGER can't be read") as refused:
        async with open_ledger("postgresql://issuer:hunter22@host:port/badges"):
            pass
    assert "hunter22" not in str(refused.value)


async def test_without_the_driver_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(
        name: str,
        names: Mapping[str, object] | None = None,
        local: Mapping[str, object] | None = None,
        wanted: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        if name == "psycopg":
            raise ImportError(name)
        return real(name, names, local, wanted, level)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"pip install 'batch_issuer\[postgres\]'"):
        async with open_ledger("postgresql://host/badges"):
            pass


async def test_a_server_that_was_restarted_is_used_no_more_until_the_ledger_is_opened_anew(
    postgres_server: PostgresServer,
) -> None:
    url = postgres_server.new_database()
    async with open_ledger(url) as ledger, open_journal(ledger):
        await plan(ledger, make_requests(2))
        postgres_server.restart()
        for _ in range(8):  # also when every connection of before is gone
            with pytest.raises(LedgerUnavailable):
                await ledger.read(count_by_stage, BATCH)
        with pytest.raises(LedgerUnavailable, match="restarted, or another server took over"):
            await ledger.write(count_by_stage, BATCH)
    async with open_ledger(url) as ledger:
        assert len(await records_of(ledger)) == 2


async def test_a_standby_is_refused_and_once_promoted_its_timeline_is_another(
    postgres_server: PostgresServer,
) -> None:
    url = postgres_server.new_database()
    async with open_ledger(url) as ledger:
        before = ledger.timeline
        await plan(ledger, make_requests(2))
    postgres_server.stop("fast")
    become_standby(postgres_server)
    postgres_server.start()
    with pytest.raises(LedgerUnavailable, match="standby"):
        async with open_ledger(url):
            pass
    execute(url, "select pg_promote()")
    async with open_ledger(url) as ledger:
        assert ledger.timeline > before > 0
        at = "2026-03-02T05:00:00Z"
        await ledger.write(mark_forgotten, BATCH, timeline=ledger.timeline, at=at)
        assert [record.stage for record in await records_of(ledger)] == ["in_doubt"] * 2


def become_standby(server: PostgresServer) -> None:
    signal = server.folder / "data" / "standby.signal"
    signal.touch()
    shutil.copystat(server.folder / "data" / "PG_VERSION", signal)
    owner = (server.folder / "data").stat()
    shutil.chown(signal, owner.st_uid, owner.st_gid)


def test_every_query_of_a_transaction_sees_the_same_time_only_where_it_is_asked_once(url: str) -> None:
    """The server's clock goes on within a transaction: waiting for a lock counts."""

    async def times() -> bool:
        def two(connection: Connection) -> bool:
            first = ledger.now(connection)
            connection.exec_driver_sql("select pg_sleep(0.01)")
            return first < ledger.now(connection)

        async with open_ledger(url) as ledger:
            return await ledger.write(two)

    assert asyncio.run(times())
