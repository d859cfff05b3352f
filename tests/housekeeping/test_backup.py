"""Backups: complete while others write; a ledger that is restored from one issues nothing twice."""

import asyncio
import re
import shutil
import sqlite3
import stat
from collections import Counter
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection

from batch_issuer.accounts import Accounts, Role, SignedIn
from batch_issuer.assembly import Services
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.errors import AlreadyIssued, ForeignBatches, Interrupted, UsageError
from batch_issuer.housekeeping import Backup, back_up
from batch_issuer.ledger.audit import Action, Actor, Via, list_entries
from batch_issuer.ledger.batches import find_batch, list_batches
from batch_issuer.ledger.runs import Action as Asked
from batch_issuer.ledger.runs import Run, add_run, list_open_runs, runs_of_upload
from batch_issuer.ledger.users import list_users
from batch_issuer.pipeline import resume, retry, show
from batch_issuer.reports import Summary
from batch_issuer.sandbox import Scenario
from tests.pipeline.world import World, customers, open_world, outcomes
from tests.postgresql import Databases

DECIDED = Scenario(decide_after_seconds=1)


async def back_world_up(world: World, to: Path | None = None) -> Backup:
    return await back_up(world.settings(), to=to, clock=world.time.clock(), stopping=world.stopping)


def restore(world: World, backup: Backup) -> None:
    """Do what the page on restoring says."""
    for path in world.output.glob("ledger.db*"):
        path.unlink()
    shutil.copyfile(backup.path, world.output / "ledger.db")


def sent(world: World) -> Counter[int]:
    return Counter(customer for record in world.sandbox.requests for customer in record.customers)


def tables_of(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        names = [
            name for (name,) in connection.execute("select name from sqlite_schema where type = 'table'")
        ]
        return {name: connection.execute(f"select * from {name}").fetchall() for name in names}  # noqa: S608


async def stop_after(world: World, file: Path, posts: int) -> Summary:
    """Issue a file, and be stopped after so many requests."""
    before = len(world.sandbox.requests)

    class Stop:
        def rows_checked(self, count: int) -> None: ...

        def requests_planned(self, count: int) -> None: ...

        def request_at_rest(self) -> None:
            if len(world.sandbox.requests) >= before + posts:
                world.stopping.set()

    world.progress = Stop()
    summary = await world.issue(file)
    world.progress = None
    world.stopping.clear()
    return summary


async def test_a_backup_holds_all_that_the_ledger_holds_and_only_its_owner_can_read_it(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path, DECIDED) as world:
        await world.issue(world.write(customers(9)), wait=60)
        backup = await back_world_up(world)
    assert backup.path.parent == world.output / "backups"
    assert backup.path.name.startswith("ledger-20260302-10")
    assert tables_of(backup.path) == tables_of(world.output / "ledger.db")
    assert stat.S_IMODE(backup.path.stat().st_mode) == 0o600
    assert [path.name for path in backup.path.parent.iterdir()] == [backup.path.name]
    assert backup.bytes == backup.path.stat().st_size


async def test_a_backup_is_of_one_moment_while_a_batch_is_sent(tmp_path: Path) -> None:
    async with open_world(tmp_path, chunk_size=1) as world:
        file = world.write(customers(300))
        issuing = asyncio.create_task(world.issue(file))
        backups: list[Backup] = []
        while not issuing.done():
            if len(world.sandbox.requests) > 10 * len(backups):
                path = tmp_path / f"{len(backups)}.db"
                backups.append(await back_world_up(world, path))
            await asyncio.sleep(0)
        assert outcomes(await issuing) == {"pending": 300}
    assert len(backups) > 1
    for backup in backups:
        with closing(sqlite3.connect(backup.path)) as connection:
            assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]


async def test_a_backup_never_replaces_a_file(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.issue(world.write(customers(1)))
        there = world.write("mine", "mine.db")
        with pytest.raises(UsageError, match="is there already"):
            await back_world_up(world, there)
    assert there.read_text() == "mine"


async def test_without_a_ledger_nothing_is_backed_up_and_none_is_made(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        with pytest.raises(UsageError, match="no ledger yet"):
            await back_world_up(world)
        assert not world.output.exists()


async def test_a_stopped_backup_leaves_nothing_behind(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.issue(world.write(customers(1)))
        world.stopping.set()
        with pytest.raises(Interrupted):
            await back_world_up(world, tmp_path / "backups" / "l.db")
    assert list((tmp_path / "backups").iterdir()) == []


async def test_a_damaged_ledger_is_told_and_no_backup_of_it_is_kept(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.issue(world.write(customers(3_000)))
        ledger = world.output / "ledger.db"
        with closing(sqlite3.connect(ledger)) as connection:
            connection.execute("pragma wal_checkpoint(truncate)")
        content = bytearray(ledger.read_bytes())
        for at in range(4096, len(content), 8192):
            content[at : at + 64] = b"\xff" * 64
        ledger.write_bytes(content)
        with pytest.raises(UsageError, match=r"damaged|can't be copied"):
            await back_world_up(world)
    assert list((world.output / "backups").iterdir()) == []


async def test_for_a_server_the_command_to_run_is_told_without_the_password(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        world.overrides["ledger"] = SecretStr("postgresql://kim:secret-word@db/badges")
        with pytest.raises(UsageError) as refused:
            await back_world_up(world)
    assert "run: pg_dump --format=custom --file=" in str(refused.value)
    assert str(refused.value).endswith(".dump postgresql://kim@db/badges")


async def test_what_was_sent_since_the_backup_is_taken_over_and_not_sent_again(tmp_path: Path) -> None:
    async with open_world(tmp_path, concurrency=1) as world:
        stopped = await stop_after(world, world.write(customers(30)), 3)
        assert outcomes(stopped)["not_sent"] > 0
        backup = await back_world_up(world)
        await world.resume()
        assert set(sent(world).values()) == {1}
        restore(world, backup)
        restored = await world.resume()
    assert outcomes(restored) == {"pending": 30}
    assert sent(world) == Counter(range(700_000_001, 700_000_031))


async def test_beside_a_batch_that_was_sent_since_the_backup_nothing_is_sent(tmp_path: Path) -> None:
    async with open_world(tmp_path, concurrency=1) as world:
        first = await stop_after(world, world.write(customers(30)), 3)
        backup = await back_world_up(world)
        later = await world.issue(world.write(customers(30, first=800_000_001), "later.csv"))
        before = sent(world)
        restore(world, backup)
        third = world.write(customers(3, first=900_000_001), "third.csv")
        again = world.folder / "later.csv"
        for command in (
            partial(world.issue, third),
            partial(world.issue, again),
            world.resume,
            partial(world.run, lambda services: retry(services, first.batch.batch)),
        ):
            with pytest.raises(ForeignBatches, match=later.batch.batch):
                await command()
        assert sent(world) == before
        resumed = await world.run(lambda services: resume(services, None, new_ledger=True))
        issued = await world.issue(third, new_ledger=True)
    assert (outcomes(resumed), outcomes(issued)) == ({"pending": 30}, {"pending": 3})
    assert set(sent(world).values()) == {1}


async def test_what_was_retried_since_the_backup_is_issued_by_no_other_batch(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        world.sandbox.will_answer(400)
        first = await world.issue(world.write(customers(3)))
        assert outcomes(first) == {"failed": 3}
        batch = first.batch.batch
        backup = await back_world_up(world)
        assert outcomes(await world.run(lambda services: retry(services, batch))) == {"pending": 3}
        restore(world, backup)
        again = await world.run(lambda services: retry(services, batch))
        other = await world.issue(world.write(customers(3) + "\n", "other.csv"))
    assert outcomes(again) == {"failed": 3}
    assert "may have been executed" in again.message
    assert outcomes(other) == {"already_issued": 3}
    assert set(sent(world).values()) == {1}


async def test_the_same_batch_is_not_accepted_again_after_restoring(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        file = world.write(customers(3))
        await world.issue(file)
        backup = await back_world_up(world)
        restore(world, backup)
        with pytest.raises(AlreadyIssued):
            await world.issue(file)


async def test_a_ledger_is_taken_for_restored_once(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.issue(world.write(customers(3)))
        restore(world, await back_world_up(world))
        first = await world.run(lambda services: services.ledger.read(list_batches))
        world.sandbox.will_answer(400)
        world.time.instant = world.time.instant.replace(hour=23)
        failed = await world.issue(world.write(customers(3, first=800_000_001), "later.csv"))
        known = await world.run(lambda services: services.ledger.read(find_batch, failed.batch.batch))
        retried = await world.run(lambda services: retry(services, failed.batch.batch))
    assert [batch.timeline for batch in first] == [-1]
    assert known is not None
    assert known.timeline == 0
    assert outcomes(retried) == {"pending": 3}


KIM = Actor(user="kim", via=Via.PAGE)


async def let_in(world: World) -> tuple[str, str]:
    """Add a user, and return the cookie and the token that let them in."""

    async def work(services: Services) -> tuple[str, str]:
        accounts, password = Accounts(services.ledger, services.clock), SecretStr("four words in a row")
        await accounts.add("kim", [Role.ADMIN], password, by=KIM)
        signed_in = await accounts.sign_in("kim", password, address="192.0.2.7")
        assert isinstance(signed_in, SignedIn)
        _, token = await accounts.make_token("kim", "nightly", 90, by=KIM)
        return signed_in.cookie.get_secret_value(), token.get_secret_value()

    return await world.run(work)


async def who_is_let_in(world: World, cookie: str, token: str) -> list[bool]:
    async def work(services: Services) -> list[bool]:
        accounts = Accounts(services.ledger, services.clock)
        found = [await accounts.session(cookie), await accounts.bearer(token)]
        return [one is not None for one in found]

    return await world.run(work)


async def test_whoever_was_let_in_before_a_backup_is_not_when_it_is_restored(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.issue(world.write(customers(3)))
        cookie, token = await let_in(world)
        backup = await back_world_up(world)
        assert await who_is_let_in(world, cookie, token) == [True, True]
        restore(world, backup)
        assert await who_is_let_in(world, cookie, token) == [False, False]
        (entry, *_) = await world.run(lambda services: services.ledger.read(list_entries))
        users = await world.run(lambda services: services.ledger.read(list_users))
    assert (entry.action, entry.via) == (Action.TOKEN_REVOKED, Via.SERVER)
    assert [user.user for user in users] == ["kim"]


async def test_what_a_console_was_asked_for_before_a_backup_is_not_done_when_it_is_restored(
    tmp_path: Path,
) -> None:
    run = Run(
        run="a1", action=Asked.ISSUE, upload="ab" * 8, user="kim", via="page", made_at="2026-03-02T10:15:00Z"
    )
    async with open_world(tmp_path) as world:
        await world.run(lambda services: services.ledger.write(add_run, run))
        restore(world, await back_world_up(world))
        assert await world.run(lambda services: services.ledger.read(list_open_runs)) == []
        (ended,) = await world.run(lambda services: services.ledger.read(runs_of_upload, run.upload))
        again = await world.run(lambda services: services.ledger.write(add_run, replace(run, run="a2")))
    assert ended.exit_code is ExitCode.NOT_FINISHED
    assert "restored from a backup" in ended.message
    assert again.run == "a2"


async def test_a_backup_of_a_restored_ledger_can_be_restored(tmp_path: Path) -> None:
    async with open_world(tmp_path, concurrency=1) as world:
        stopped = await stop_after(world, world.write(customers(30)), 3)
        restore(world, await back_world_up(world, tmp_path / "1.db"))
        shown = await world.run(lambda services: show(services, None))
        restore(world, await back_world_up(world, tmp_path / "2.db"))
        resumed = await world.resume()
    assert shown.exit_code is ExitCode.NOT_FINISHED
    assert dict(shown.counts) == dict(stopped.counts)
    assert outcomes(resumed) == {"pending": 30}
    assert set(sent(world).values()) == {1}


async def test_a_backup_does_not_migrate_the_ledger(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.issue(world.write(customers(3)))

        async def age(services: Services) -> None:
            def write(connection: Connection) -> None:
                connection.exec_driver_sql("update alembic_version set version_num = '0001'")

            await services.ledger.write(write)

        await world.run(age)
        backup = await back_world_up(world)
    assert tables_of(backup.path)["alembic_version"] == [("0001",)]
    assert tables_of(world.output / "ledger.db")["alembic_version"] == [("0001",)]


PAGE = Path(__file__).parent.parent.parent / "docs" / "how-to" / "back-up-and-restore.md"


@pytest.mark.postgres
async def test_a_dump_that_was_read_in_again_is_told_so_by_the_statements_of_the_page(
    tmp_path: Path, postgres_databases: Databases
) -> None:
    (block,) = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    statements = [statement for statement in block.split(";") if statement.strip()]
    present = postgres_databases.new_database()
    async with open_world(tmp_path, concurrency=1, ledger=present) as world:
        world.sandbox.will_answer(400)
        stopped = await stop_after(world, world.write(customers(30)), 3)
        batch = stopped.batch.batch
        cookie, token = await let_in(world)
        dump = postgres_databases.new_database(base=present)
        await world.resume()
        await world.run(lambda services: retry(services, batch))
        world.overrides["ledger"] = dump

        def tell(connection: Connection) -> None:
            for statement in statements:
                connection.exec_driver_sql(statement)

        await world.run(lambda services: services.ledger.write(tell))
        assert await who_is_let_in(world, cookie, token) == [False, False]
        resumed = await world.resume()
        retried = await world.run(lambda services: retry(services, batch))
    assert len(statements) == 6
    assert outcomes(resumed) == outcomes(retried) == {"pending": 27, "failed": 3}
    assert sent(world) == Counter(range(700_000_001, 700_000_031))


async def test_a_ledger_that_was_copied_in_another_way_is_told_so_as_the_page_says(tmp_path: Path) -> None:
    (statement,) = re.findall(r'sqlite3 output/ledger.db "(PRAGMA .*?)"', PAGE.read_text())
    async with open_world(tmp_path, concurrency=1) as world:
        await stop_after(world, world.write(customers(30)), 3)
        copy = tmp_path / "copy.db"
        with closing(sqlite3.connect(world.output / "ledger.db")) as connection:
            connection.execute(f"vacuum into '{copy}'")
        await world.resume()
        with closing(sqlite3.connect(copy)) as connection:
            connection.execute(statement)
        restore(world, Backup(path=copy, bytes=0))
        resumed = await world.resume()
    assert outcomes(resumed) == {"pending": 30}
    assert set(sent(world).values()) == {1}
