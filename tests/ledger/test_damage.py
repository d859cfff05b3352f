"""A ledger that can't be trusted is named and left as it is: it may be the only trace of what was sent."""

import asyncio
import errno
import fcntl
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event

from batch_issuer.batch.ids import BatchId
from batch_issuer.errors import LedgerTooNew, UsageError
from batch_issuer.ledger import open_ledger
from batch_issuer.ledger.batches import delete_recording, find_batch
from batch_issuer.ledger.databases.sqlite_users import Users
from tests.conftest import ledger_at, make_requests, plan, records_of

PAGE = 4096
PLANNED = 400
DYING = f"""
import asyncio, os, signal, sys
from dataclasses import replace
from batch_issuer.ledger import open_ledger
from batch_issuer.ledger.batches import insert_batch
from tests.conftest import make_batch, make_requests, plan

async def die():
    async with open_ledger(sys.argv[1]) as ledger:
        await plan(ledger, make_requests({PLANNED}))
    async with open_ledger(sys.argv[1]) as ledger:
        await ledger.write(insert_batch, replace(make_batch(), batch="late"))
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(die())
"""


@pytest.fixture(scope="module")
def remains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Let a process die that has a ledger open."""
    path = tmp_path_factory.mktemp("died") / "ledger.db"
    subprocess.run([sys.executable, "-c", DYING, f"sqlite:///{path}"], check=False)
    assert size_of(log_of(path)) > 0
    return path


@pytest.fixture
def died(remains: Path, ledger_path: Path) -> Path:
    """Give a ledger whose last user died."""
    copy(remains, ledger_path)
    return ledger_path


@pytest.fixture
async def whole(ledger_path: Path) -> Path:
    """Give a ledger that was closed."""
    async with ledger_at(ledger_path) as ledger:
        await plan(ledger, make_requests(PLANNED))
    assert not size_of(log_of(ledger_path))
    return ledger_path


def log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def copy(source: Path, target: Path) -> None:
    for ending in ("", "-wal"):
        shutil.copyfile(f"{source}{ending}", f"{target}{ending}")


def bytes_of(path: Path) -> dict[str, bytes]:
    """Read all that lies in a ledger's folder and matters: an index of the log is made anew each time."""
    return {
        found.name: found.read_bytes()
        for found in path.parent.iterdir()
        if not found.name.endswith(("-shm", ".users"))
    }


def overwrite(path: Path, at: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


def put(path: Path, content: bytes = b"") -> None:
    path.write_bytes(content)


def remove(path: Path) -> None:
    path.unlink()


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def cut(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)


async def open_it(path: Path) -> None:
    async with open_ledger(f"sqlite:///{path}"):
        pass


async def refuse(path: Path) -> str:
    """Expect that a ledger is refused in one line, with the way out, and not changed by a byte."""
    before = bytes_of(path)
    with pytest.raises(UsageError) as raised:
        await open_it(path)
    assert bytes_of(path) == before
    message = str(raised.value)
    assert str(path) in message
    assert "was not changed; restore it from a backup" in message
    assert "--ledger" in message
    assert "\n" not in message
    return message


@contextmanager
def statements() -> Iterator[list[str]]:
    """Gather what is asked of any database."""
    asked: list[str] = []

    def listen(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", listen)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", listen)


async def is_checked(path: Path) -> bool:
    with statements() as asked:
        await open_it(path)
    return any("integrity_check" in statement for statement in asked)


async def test_a_ledger_is_checked_where_its_last_user_died_and_goes_on(died: Path) -> None:
    assert await is_checked(died)
    async with ledger_at(died) as ledger:
        assert len(await records_of(ledger)) == PLANNED
        assert await ledger.read(find_batch, BatchId("late")) is not None


async def test_a_ledger_that_was_closed_opens_without_a_check(whole: Path) -> None:
    assert not await is_checked(whole)


async def test_a_ledger_that_was_closed_after_a_check_is_not_checked_again(died: Path) -> None:
    await open_it(died)
    assert not await is_checked(died)


async def test_a_ledger_that_another_uses_is_not_checked(died: Path) -> None:
    async with ledger_at(died) as other:
        await other.write(delete_recording, BatchId("late"))
        assert size_of(log_of(died)) > 0
        assert not await is_checked(died)


async def test_a_ledger_is_opened_without_a_check_where_nobody_can_tell_who_uses_it(
    died: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> NoReturn:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", fail)
    assert not await is_checked(died)


async def test_users_are_known_for_as_long_as_they_use_a_ledger(whole: Path) -> None:
    async with ledger_at(whole):
        async with ledger_at(whole):
            pass
        assert not is_free(whole)
    assert is_free(whole)


async def test_users_are_known_whoever_came_first_and_left(whole: Path) -> None:
    first, second = AsyncExitStack(), AsyncExitStack()
    await first.enter_async_context(ledger_at(whole))
    await second.enter_async_context(ledger_at(whole))
    await first.aclose()
    assert not is_free(whole)
    await second.aclose()
    assert is_free(whole)


async def test_whoever_could_not_open_a_ledger_is_no_user(whole: Path) -> None:
    overwrite(whole, 0, b"no database")
    with pytest.raises(UsageError):
        await open_it(whole)
    assert is_free(whole)


async def test_whoever_gave_up_opening_a_ledger_is_no_user(whole: Path) -> None:
    for turns in range(4):
        opening = asyncio.create_task(open_it(whole))
        for _ in range(turns):
            await asyncio.sleep(0)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        assert is_free(whole)


def is_free(path: Path) -> bool:
    users = Users(path)
    try:
        return users.is_alone()
    finally:
        users.close()


@pytest.mark.parametrize("content", [b"a", b"two", b"a letter to a friend\n" * 1_000, bytes(2 * PAGE)])
async def test_a_file_that_is_no_database_is_refused(ledger_path: Path, content: bytes) -> None:
    put(ledger_path, content)
    assert "no ledger at all" in await refuse(ledger_path)


@pytest.mark.parametrize("at", [0, 16, 100])
async def test_a_damaged_header_is_refused(whole: Path, at: int) -> None:
    overwrite(whole, at, b"\xaa" * 16)
    await refuse(whole)


async def test_damage_in_the_middle_is_found_where_the_last_user_died(died: Path) -> None:
    overwrite(died, 12 * PAGE, b"\xaa" * PAGE)
    await refuse(died)


async def test_damage_that_only_a_check_finds_is_refused(died: Path) -> None:
    """Empty an index: every query still runs, and some miss requests."""
    looking = sqlite3.connect(f"file:{died}?mode=ro", uri=True)
    (page,) = looking.execute(
        "select rootpage from sqlite_schema where name = 'requests_by_origin'"
    ).fetchone()
    looking.close()
    count_of_cells = (page - 1) * PAGE + 3
    overwrite(died, count_of_cells, bytes(2))
    await refuse(died)


@pytest.mark.parametrize("size", [1, 99, 100, PAGE, 5 * PAGE, 5 * PAGE + 1, -PAGE, -1])
async def test_a_ledger_that_was_cut_off_is_refused(whole: Path, size: int) -> None:
    cut(whole, size if size > 0 else size_of(whole) + size)
    await refuse(whole)


@pytest.mark.parametrize("size", [1, 100, PAGE, 5 * PAGE])
async def test_a_ledger_that_was_cut_off_as_its_user_died_is_refused(died: Path, size: int) -> None:
    cut(died, size)
    await refuse(died)


async def test_a_log_beside_an_empty_file_is_kept(died: Path) -> None:
    cut(died, 0)
    assert "its log is there" in await refuse(died)


async def test_a_log_without_its_file_is_kept(died: Path) -> None:
    remove(died)
    assert "its log is there" in await refuse(died)


async def test_an_empty_file_becomes_a_ledger(ledger_path: Path) -> None:
    put(ledger_path)
    async with ledger_at(ledger_path) as ledger:
        assert await records_of(ledger) == []


async def test_a_ledger_that_was_cut_off_before_it_had_tables_is_made_anew(ledger_path: Path) -> None:
    half = sqlite3.connect(ledger_path.with_name("half.db"), isolation_level=None)
    for statement in ("pragma cache_size=1", "begin", "create table parts (part)"):
        half.execute(statement)
    half.executemany("insert into parts values (?)", [(bytes(1_000),)] * 100)
    for ending in ("", "-journal"):
        shutil.copyfile(ledger_path.with_name(f"half.db{ending}"), f"{ledger_path}{ending}")
    half.close()
    assert size_of(ledger_path) > 0
    async with ledger_at(ledger_path) as ledger:
        assert await records_of(ledger) == []


@pytest.mark.parametrize("mode", ["wal", "delete"])
async def test_the_database_of_another_program_is_not_changed(ledger_path: Path, mode: str) -> None:
    other = sqlite3.connect(ledger_path)
    other.execute(f"pragma journal_mode={mode}")
    other.execute("create table songs (title)")
    other.close()
    before = bytes_of(ledger_path)
    with pytest.raises(UsageError, match="tables of another program, and was not changed"):
        await open_it(ledger_path)
    assert bytes_of(ledger_path) == before


async def test_a_ledger_of_a_later_version_is_not_changed(whole: Path) -> None:
    later = sqlite3.connect(whole, isolation_level=None)
    later.execute("update alembic_version set version_num = '9999'")
    later.close()
    before = bytes_of(whole)
    with pytest.raises(LedgerTooNew, match="9999"):
        await open_it(whole)
    assert bytes_of(whole) == before


async def test_a_damaged_ledger_is_not_migrated(whole: Path) -> None:
    earlier = sqlite3.connect(whole, isolation_level=None)
    earlier.execute("delete from alembic_version")
    earlier.execute("insert into alembic_version values ('0001')")
    earlier.close()
    overwrite(whole, 12 * PAGE, b"\xaa" * PAGE)
    await refuse(whole)


@given(data=st.data())
@settings(max_examples=30)
def test_whatever_happened_to_a_file_it_opens_or_is_not_changed(remains: Path, data: Any) -> None:
    size = remains.stat().st_size
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        copy(remains, path)
        if data.draw(st.booleans(), label="closed"):
            asyncio.run(open_it(path))
        at = data.draw(st.one_of(st.integers(0, 200), st.integers(0, size - 1)), label="at")
        if data.draw(st.booleans(), label="cut off"):
            cut(path, max(at, 1))
        else:
            overwrite(path, at, data.draw(st.binary(min_size=1, max_size=64), label="content"))
        before = bytes_of(path)
        try:
            asyncio.run(open_it(path))
        except UsageError:
            assert bytes_of(path) == before
