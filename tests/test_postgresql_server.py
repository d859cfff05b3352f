"""The PostgreSQL server of the tests: a real one, which is gone when they are."""

import socket
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.errors import OperationalError

from tests.postgresql import Databases, PostgresServer

pytestmark = pytest.mark.postgres

TABLES = "select tablename from pg_tables where schemaname = 'public'"


def run(url: str, statement: LiteralString) -> list[tuple[Any, ...]]:
    """Run one statement in a transaction of its own, and return its rows."""
    with psycopg.connect(url) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_a_server_starts_and_answers(postgres_databases: Databases) -> None:
    assert run(postgres_databases.url, "select 6 * 7") == [(42,)]


def test_each_new_database_is_empty_and_its_own(postgres_databases: Databases) -> None:
    one, other = postgres_databases.new_database(), postgres_databases.new_database()

    run(one, "create table kept (id integer)")

    assert run(one, TABLES) == [("kept",)]
    assert run(other, TABLES) == []


def test_a_database_is_made_as_a_copy_of_another(postgres_databases: Databases) -> None:
    base = postgres_databases.new_database()
    run(base, "create table kept as select 7 as id")

    copy = postgres_databases.new_database(base=base)
    run(base, "drop table kept")

    assert run(copy, "select id from kept") == [(7,)]


def test_a_database_keeps_text_of_every_script(postgres_databases: Databases) -> None:
    assert run(postgres_databases.new_database(), "select 'Grüße, 世界', length('世界')") == [
        ("Grüße, 世界", 2)
    ]


def test_a_dropped_database_is_gone_even_for_those_who_are_connected(postgres_databases: Databases) -> None:
    url = postgres_databases.new_database()

    with psycopg.connect(url) as connection:
        postgres_databases.drop(url)
        with pytest.raises(OperationalError):
            connection.execute("select 1")

    with pytest.raises(OperationalError, match="does not exist"):
        run(url, "select 1")


def test_databases_on_a_server_of_somebody_else_are_dropped_at_the_end(postgres_databases: Databases) -> None:
    with Databases(postgres_databases.url) as guests:
        url = guests.new_database()
        assert run(url, TABLES) == []

    with pytest.raises(OperationalError, match="does not exist"):
        run(url, TABLES)


def test_a_restart_keeps_what_was_committed_and_breaks_open_connections(
    postgres_server: PostgresServer,
) -> None:
    url = postgres_server.new_database()
    run(url, "create table kept as select 7 as id")

    with psycopg.connect(url) as connection:
        connection.execute("insert into kept values (8)")
        postgres_server.restart()
        with pytest.raises(OperationalError):
            connection.execute("select 1")

    assert run(url, "select id from kept") == [(7,)]


def test_a_server_that_was_stopped_refuses_until_it_is_started_again(postgres_server: PostgresServer) -> None:
    url = postgres_server.new_database()

    postgres_server.stop()
    with pytest.raises(OperationalError):
        run(url, "select 1")
    postgres_server.start()

    assert run(url, "select 1") == [(1,)]


def test_nothing_is_left_of_a_server_that_has_ended(postgres_programs: Path) -> None:
    with PostgresServer(postgres_programs) as server:
        assert answers(server.port)
        assert server.folder.is_dir()

    assert not answers(server.port)
    assert not server.folder.exists()


def test_nothing_is_left_of_a_server_that_did_not_start(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path)  # a folder without the server's programs

    with pytest.raises((OSError, RuntimeError)), server:
        pytest.fail("it started")

    assert not server.folder.exists()
