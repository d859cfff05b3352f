"""Folders, disks and ledgers are tried out, and stay as they were."""

import asyncio
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import psycopg
import pytest
from alembic.runtime.migration import MigrationContext

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.diagnosis import State
from batch_issuer.diagnosis.folders import judge_room
from batch_issuer.ledger import examine_ledger, open_ledger
from batch_issuer.ledger.databases import file_systems
from batch_issuer.submission.sent_folders import mark_as_sent
from tests.conftest import BATCH, ledger_at, make_requests, plan
from tests.diagnosis.checkup import Checkup, maker_variables, names_in, open_checkup
from tests.ledger.test_file_systems import line
from tests.postgresql import Databases, PostgresServer
from tests.privileges import as_nobody

FILLER = """
    create table filler as
    with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
    select i, hex(randomblob(50)) as x from n
"""


@pytest.fixture
def checkup(tmp_path: Path) -> Checkup:
    """Return settings for a server that is away: these checks need none."""
    return Checkup(folder=tmp_path, variables=maker_variables("http://127.0.0.1:9"))


def contents(folder: Path) -> dict[str, bytes]:
    """Read all of a folder, but for the mark of those who use the ledger."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith(".users")}


async def make_ledger(checkup: Checkup) -> Path:
    path = checkup.output / "ledger.db"
    async with ledger_at(path) as ledger:
        await plan(ledger, make_requests(2))
    return path


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)


async def test_a_folder_that_can_be_written_is_left_as_it_was(checkup: Checkup) -> None:
    checkup.output.mkdir()
    found = await checkup.run()
    assert found.states["output"] is found.states["disk"] is State.OK
    assert names_in(checkup.output) == []


async def test_an_output_that_is_no_folder_is_a_problem(checkup: Checkup) -> None:
    checkup.output.touch()
    found = await checkup.run()
    assert found.states["output"] is State.PROBLEM
    assert found.exit_code is ExitCode.USAGE


async def test_an_output_below_a_file_is_a_problem(checkup: Checkup) -> None:
    (checkup.folder / "file").touch()
    found = await checkup.run(output=str(checkup.folder / "file" / "output"))
    assert f"{checkup.folder}/file can't be written" in found.of("output").found
    assert found.states["ledger"] is State.PROBLEM


@pytest.fixture
def forbidden() -> Iterator[Path]:
    """Give a folder that this process may not write."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        try:
            with as_nobody():
                yield Path(folder)
        finally:
            Path(folder).chmod(0o700)


async def test_a_folder_that_may_not_be_written_is_a_problem(checkup: Checkup, forbidden: Path) -> None:
    as_it_is = await checkup.run(output=str(forbidden))
    below = await checkup.run(output=str(forbidden / "new"))
    for found in (as_it_is, below):
        assert "can't be written" in found.of("output").found
        assert found.states["ledger"] is State.PROBLEM
        assert found.exit_code is ExitCode.USAGE


@pytest.mark.parametrize(
    ("free", "state"),
    [(5 * 10**9, State.OK), (999 * 10**6, State.WARNING), (99 * 10**6, State.PROBLEM), (0, State.PROBLEM)],
)
def test_a_disk_that_runs_full_is_told_before_it_is_full(free: int, state: State) -> None:
    assert judge_room(free, Path("output")).state is state


async def test_each_disk_is_told_once(checkup: Checkup) -> None:
    found = await checkup.run(ledger=f"sqlite:///{checkup.folder}/elsewhere/ledger.db")
    assert found.of("disk").state is State.OK


async def test_no_ledger_is_made(checkup: Checkup) -> None:
    line = (await checkup.run()).of("ledger")
    assert line.state is State.OK
    assert "is not there yet; the first command makes it" in line.found
    assert names_in(checkup.folder) == []


async def test_a_ledger_is_read_and_not_changed(checkup: Checkup) -> None:
    await make_ledger(checkup)
    before = contents(checkup.output)
    found = await checkup.run()
    assert "is sound and up to date; nobody else uses it" in found.of("ledger").found
    assert "1 in the ledger" in found.of("batches").found
    assert contents(checkup.output) == before


async def test_others_who_use_a_ledger_are_told_and_not_disturbed(checkup: Checkup) -> None:
    async with ledger_at(checkup.output / "ledger.db") as ledger:
        found = await checkup.run()
        await plan(ledger, make_requests(1))
    assert "others use it, too" in found.of("ledger").found


async def test_a_damaged_ledger_is_told_and_not_changed(checkup: Checkup) -> None:
    path = await make_ledger(checkup)
    whole = path.read_bytes()
    path.write_bytes(whole[: 3 * 4096] + bytes(4096) + whole[4 * 4096 :])
    before = contents(checkup.output)
    found = await checkup.run()
    assert "is damaged, or no ledger at all" in found.of("ledger").found
    assert found.states["batches"] is State.NOT_CHECKED
    assert found.exit_code is ExitCode.USAGE
    assert contents(checkup.output) == before


async def test_a_ledger_of_a_later_version_is_a_problem(checkup: Checkup) -> None:
    change(await make_ledger(checkup), "update alembic_version set version_num = '9999'")
    assert "is of a later version" in (await checkup.run()).of("ledger").found


async def test_a_ledger_of_an_earlier_version_is_told_and_not_brought_up_to_date(checkup: Checkup) -> None:
    path = await make_ledger(checkup)
    change(path, "update alembic_version set version_num = '0001'")
    before = contents(checkup.output)
    found = await checkup.run()
    assert found.states["ledger"] is State.WARNING
    assert "back the ledger up first" in found.of("ledger").advice
    assert found.states["batches"] is State.NOT_CHECKED
    assert contents(checkup.output) == before


async def test_a_file_too_large_to_be_read_in_time_is_not_called_whole(checkup: Checkup) -> None:
    path = await make_ledger(checkup)
    change(path, FILLER)
    examined = await asyncio.to_thread(examine_ledger, f"sqlite:///{path}", seconds=0)
    assert (examined.is_current, examined.is_whole) == (True, False)


async def test_batches_that_the_ledger_does_not_know_are_a_problem(checkup: Checkup) -> None:
    folder = checkup.output / BATCH
    folder.mkdir(parents=True)
    mark_as_sent(folder)
    lost = await checkup.run()
    assert "was sent with another ledger" in lost.of("batches").found
    assert lost.exit_code is ExitCode.USAGE
    await make_ledger(checkup)
    assert (await checkup.run()).states["batches"] is State.OK


async def test_a_ledger_on_a_network_file_system_is_a_problem(
    checkup: Checkup, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = checkup.folder / "mountinfo"
    mounts = [line(PurePosixPath("/"), "ext4"), line(PurePosixPath(checkup.output), "nfs4")]
    table.write_text("\n".join(mounts))
    monkeypatch.setattr(file_systems, "_MOUNTS", table)
    found = await checkup.run()
    assert "is on a network file system (nfs4)" in found.of("ledger").found
    assert not checkup.output.exists()


async def test_a_ledger_that_fails_while_calls_are_made_loses_no_line(tmp_path: Path) -> None:
    async with open_checkup(tmp_path) as (checkup, sandbox):
        change(await make_ledger(checkup), "drop table pace")
        found = await checkup.run(rate="1000")
    assert "the ledger can't be used now (no such table: pace)" in found.lines("ledger")
    assert found.states["server"] is State.OK
    assert found.states["credentials"] is State.NOT_CHECKED
    assert found.exit_code is ExitCode.NOT_FINISHED
    assert sandbox.calls["GET requests"] == 0


async def test_without_a_ledger_and_a_folder_for_temporary_files_no_call_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    async with open_checkup(tmp_path) as (checkup, _):
        found = await checkup.run()
    assert "there is no folder for temporary files" in found.of("credentials").found


@pytest.mark.postgres
async def test_a_ledger_on_a_server_is_looked_at_and_not_changed(
    checkup: Checkup, postgres_databases: Databases
) -> None:
    url = postgres_databases.new_database()
    new = await checkup.run(ledger=url)
    with psycopg.connect(url) as connection:
        tables = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
    assert "(PostgreSQL " in new.of("ledger").found
    assert "is not there yet" in new.of("ledger").found
    assert tables == []
    async with open_ledger(url) as ledger:
        await ledger.read(lambda connection: MigrationContext.configure(connection).get_current_revision())
        used = await checkup.run(ledger=url)
    assert "is sound and up to date; others use it, too" in used.of("ledger").found


@pytest.mark.postgres
async def test_a_user_who_may_not_make_the_tables_is_told(
    checkup: Checkup, postgres_databases: Databases
) -> None:
    url = postgres_databases.new_database()
    name = f"reader_{urlsplit(url).path.removeprefix('/')}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"create user {name}".encode())
    try:
        parts = urlsplit(url)
        theirs = parts._replace(netloc=f"{name}@{parts.hostname}:{parts.port}").geturl()
        found = await checkup.run(ledger=theirs)
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"drop user {name}".encode())
    assert "its user may not do so" in found.of("ledger").found
    assert found.exit_code is ExitCode.USAGE


@pytest.mark.postgres
async def test_a_server_of_the_ledger_that_is_away_is_told_without_its_password(
    checkup: Checkup, postgres_server: PostgresServer
) -> None:
    postgres_server.stop()
    try:
        url = f"postgresql://issuer:s3cret-Value@127.0.0.1:{postgres_server.port}/badges"
        found = await checkup.run(ledger=url)
    finally:
        postgres_server.start()
    assert found.states["ledger"] is State.PROBLEM
    assert found.exit_code is ExitCode.NOT_FINISHED
    assert "s3cret" not in repr(found.findings)
