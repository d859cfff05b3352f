"""Opening a ledger: made from nothing, taken as it is, or refused in one line."""

import asyncio
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine, event, inspect

from batch_issuer.errors import LedgerUnavailable, UsageError
from batch_issuer.ledger import Ledger, open_ledger
from batch_issuer.ledger.batches import find_batch, insert_batch
from batch_issuer.ledger.tables import metadata
from tests.conftest import BATCH, ledger_at, make_batch, make_requests, open_connections, plan, records_of
from tests.privileges import as_nobody


def columns_of(connection: Connection) -> dict[str, list[tuple[str, str, bool, object]]]:
    seen = inspect(connection)
    return {
        table: [
            (column["name"], str(column["type"]), column["nullable"], column["default"])
            for column in seen.get_columns(table)
        ]
        for table in seen.get_table_names()
        if table != "alembic_version"
    }


async def test_migrating_from_nothing_gives_the_tables_that_the_queries_know(ledger_path: Path) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async with ledger_at(ledger_path) as ledger:
        assert await ledger.read(differences) == []


async def test_migrating_gives_the_very_columns_that_creating_gives(ledger_path: Path) -> None:
    created = create_engine("sqlite://")
    with created.connect() as connection:
        metadata.create_all(connection)
        expected = columns_of(connection)
    created.dispose()
    async with ledger_at(ledger_path) as ledger:
        assert await ledger.read(columns_of) == expected


async def test_a_ledger_is_made_with_its_folders(tmp_path: Path) -> None:
    async with ledger_at(tmp_path / "new" / "folders" / "ledger.db") as ledger:
        await plan(ledger, make_requests(1))
    assert (tmp_path / "new" / "folders" / "ledger.db").stat().st_size > 0


async def test_an_existing_ledger_is_taken_up_as_it_is(ledger_path: Path) -> None:
    async with ledger_at(ledger_path) as ledger:
        await plan(ledger, make_requests(2))
    async with ledger_at(ledger_path) as ledger:
        assert len(await records_of(ledger)) == 2
        assert await ledger.read(find_batch, BATCH) == make_batch()


async def test_two_programs_may_make_one_ledger_at_once(ledger_path: Path) -> None:
    async def open_and_count() -> int:
        async with open_ledger(f"sqlite:///{ledger_path}") as ledger:
            return len(await records_of(ledger))

    assert await asyncio.gather(*(open_and_count() for _ in range(5))) == [0] * 5


@pytest.fixture
def letter(ledger_path: Path) -> Iterator[None]:
    """Put another file in the ledger's place, and expect it to be untouched in the end."""
    text = "a letter to a friend\n" * 100
    ledger_path.write_text(text)
    yield
    assert ledger_path.read_text() == text


@pytest.mark.usefixtures("letter")
async def test_a_file_that_is_no_ledger_is_refused_untouched(ledger_path: Path) -> None:
    with pytest.raises(UsageError, match="no ledger at all"):
        async with open_ledger(f"sqlite:///{ledger_path}"):
            pass


async def test_a_folder_is_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="it is no file"):
        async with open_ledger(f"sqlite:///{tmp_path}"):
            pass


@pytest.mark.parametrize(
    "path", ["/dev/null", "/dev/null/ledger.db", f"/dev/{'long' * 100}.db", "/proc/l.db"]
)
async def test_a_place_that_takes_no_ledger_is_named_in_one_line(path: str) -> None:
    with pytest.raises(UsageError, match="ledger") as raised:
        async with open_ledger(f"sqlite:///{path}"):
            pass
    assert "\n" not in str(raised.value)


async def test_a_ledger_is_found_behind_a_link(ledger_path: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.db"
    link.symlink_to(ledger_path)
    async with ledger_at(link) as ledger:
        await plan(ledger, make_requests(1))
        assert [found.name for found in link.parent.iterdir()] == ["link.db"]
    async with ledger_at(ledger_path) as ledger:
        assert len(await records_of(ledger)) == 1


async def test_a_full_disk_is_named_with_a_way_out(ledger_path: Path) -> None:
    def fill(connection: Any, _record: object) -> None:
        connection.execute("pragma max_page_count=2")

    event.listen(Engine, "connect", fill)
    try:
        with pytest.raises(UsageError, match=r"ledger\.db can't be opened \(.*full\); make room"):
            async with open_ledger(f"sqlite:///{ledger_path}"):
                pass
    finally:
        event.remove(Engine, "connect", fill)


@pytest.fixture
def forbidden(migrated: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Give a ledger that may be read only, itself or its folder; root, who may all, is nobody meanwhile."""
    with tempfile.TemporaryDirectory() as folder:  # where nobody gets, unlike to root's own
        path = Path(folder) / "ledger.db"
        shutil.copyfile(migrated, path)
        path.chmod(0o444 if request.param == "file" else 0o666)
        Path(folder).chmod(0o777 if request.param == "file" else 0o555)
        try:
            with as_nobody():
                yield path
        finally:
            Path(folder).chmod(0o700)


@pytest.mark.parametrize("forbidden", ["file", "folder"], indirect=True)
async def test_a_ledger_that_may_not_be_written_is_refused_before_any_work(forbidden: Path) -> None:
    with pytest.raises(UsageError, match=r"written.*--ledger"):
        async with open_ledger(f"sqlite:///{forbidden}"):
            pass


async def test_a_ledger_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="folder"):
        async with open_ledger(f"sqlite:///{tmp_path}/file/ledger.db"):
            pass


async def test_a_ledger_has_one_name_for_all_that_look_after_its_file() -> None:
    with pytest.raises(UsageError, match="sqlite:///PATH"):
        async with open_ledger("sqlite:///file:ledger.db?uri=true"):
            pass


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
async def test_a_ledger_that_would_be_forgotten_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="no file"):
        async with open_ledger(url):
            pass


async def test_what_was_written_is_seen_by_another_connection_at_once(
    ledger: Ledger, ledger_path: Path
) -> None:
    await ledger.write(insert_batch, make_batch())
    other = sqlite3.connect(f"file:{ledger_path}?mode=ro", uri=True)
    assert other.execute("select batch from batches").fetchall() == [(BATCH,)]
    other.close()


async def test_a_commit_is_on_the_disk_before_it_counts(ledger: Ledger) -> None:
    def pragmas(connection: Connection) -> tuple[object, object, object]:
        read = (
            connection.exec_driver_sql(f"pragma {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        )
        journal_mode, synchronous, foreign_keys = read
        return journal_mode, synchronous, foreign_keys

    full = 2
    assert await ledger.read(pragmas) == ("wal", full, 1)
    with ledger.snapshot() as connection:
        assert pragmas(connection) == ("wal", full, 1)


async def test_a_write_that_fails_leaves_nothing_behind(ledger: Ledger) -> None:
    def write_half(connection: Connection) -> None:
        insert_batch(connection, make_batch())
        raise LookupError

    with pytest.raises(LookupError):
        await ledger.write(write_half)
    assert await ledger.read(find_batch, BATCH) is None


async def test_a_write_that_is_cancelled_blocks_nobody(ledger: Ledger) -> None:
    for delay in range(12):
        writing = asyncio.create_task(ledger.write(insert_batch, make_batch()))
        for _ in range(delay):
            await asyncio.sleep(0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    known = await ledger.read(find_batch, BATCH)
    if known is None:
        await ledger.write(insert_batch, make_batch())
    assert await ledger.read(find_batch, BATCH) == make_batch()


async def test_a_snapshot_does_not_see_what_is_written_meanwhile(ledger: Ledger) -> None:
    with ledger.snapshot() as connection:
        assert find_batch(connection, BATCH) is None
        await ledger.write(insert_batch, make_batch())
        assert find_batch(connection, BATCH) is None
    assert await ledger.read(find_batch, BATCH) is not None


async def test_a_database_failure_names_no_values(ledger: Ledger) -> None:
    await ledger.write(insert_batch, make_batch())
    with pytest.raises(LedgerUnavailable) as raised:
        await ledger.write(insert_batch, make_batch())
    assert "customers.csv" not in f"{raised.value} {raised.value.__cause__}"


async def test_no_connection_is_left_open(ledger: Ledger) -> None:
    await plan(ledger, make_requests(1))
    await asyncio.gather(*(records_of(ledger) for _ in range(5)))
    assert open_connections(ledger) == 0
