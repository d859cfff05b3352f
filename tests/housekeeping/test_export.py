"""Exports: everything about one batch for whoever helps, and no secret."""

import csv
import io
import json
import stat
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, select

from batch_issuer import __version__
from batch_issuer.accounts import Accounts, Role
from batch_issuer.assembly import Services
from batch_issuer.errors import UnknownBatch, UsageError
from batch_issuer.housekeeping import Export, export
from batch_issuer.ledger import tables
from batch_issuer.ledger.audit import Actor, Via
from batch_issuer.sandbox import Scenario
from tests.pipeline.world import World, customers, open_world

MIXED = Scenario(decide_after_seconds=1, holder_share=0.3, omit_share=0.2)
LEDGER = [
    "settings.json",
    "versions.json",
    "ledger/batch.json",
    "ledger/requests.csv",
    "ledger/attempts.csv",
    "ledger/workflow_requests.jsonl",
]


async def export_from(world: World, batch: str, **options: Any) -> Export:
    to = options.pop("to", world.folder / "out.zip")
    return await world.run(lambda services: export(services, batch, to=to, **options))


def content_of(path: Path) -> dict[str, str]:
    with ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode("utf-8-sig") for name in archive.namelist()}


def parts_in(folder: Path) -> list[Path]:
    """Return what is left of files that were not completed."""
    return list(folder.glob(".*.part"))


async def test_an_export_holds_reports_ledger_settings_and_versions(tmp_path: Path) -> None:
    async with open_world(tmp_path, MIXED) as world:
        batch = (await world.issue(world.write(customers(30)), wait=60)).batch.batch
        done = await export_from(world, batch)
    found = content_of(done.path)
    reports = ["summary", "reconciliation", "requests", "failed", "report"]
    endings = ["json", "csv", "csv", "csv", "html"]
    assert list(found) == [
        *LEDGER,
        *(f"reports/{name}.{ending}" for name, ending in zip(reports, endings, strict=True)),
        "README.txt",
    ]
    assert stat.S_IMODE(done.path.stat().st_mode) == 0o600
    assert json.loads(found["versions.json"])["batch_issuer"] == __version__
    assert json.loads(found["ledger/batch.json"])["batch"] == batch
    requests = list(csv.DictReader(io.StringIO(found["ledger/requests.csv"])))
    attempts = list(csv.DictReader(io.StringIO(found["ledger/attempts.csv"])))
    assert len(requests) == len(attempts) == 10
    said = [json.loads(line) for line in found["ledger/workflow_requests.jsonl"].splitlines()]
    told = {reply["customer_id"]: reply for one in said for reply in one["replies"]}
    assert 20 <= len(told) < 30
    assert any(reply["error"] for reply in told.values())
    assert all(name in found["README.txt"] for name in done.files if name != "README.txt")


async def test_the_input_comes_only_where_it_is_asked_for_and_then_as_it_is(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        file = world.write(customers(3))
        batch = (await world.issue(file)).batch.batch
        without = await export_from(world, batch)
        beside = await export_from(world, batch, to=tmp_path / "with.zip", with_input=True)
    assert "input/input.csv" not in without.files
    assert content_of(beside.path)["input/input.csv"] == file.read_text()


async def let_somebody_in(services: Services) -> list[str]:
    """Add a user who is signed in and has a token, and return what the ledger keeps of it."""
    accounts, password = Accounts(services.ledger, services.clock), SecretStr("four words in a row")
    by = Actor(user="kim", via=Via.PAGE)
    await accounts.add("kim", [Role.ADMIN], password, by=by)
    await accounts.sign_in("kim", password, address="192.0.2.7")
    await accounts.make_token("kim", "nightly", 90, by=by)

    def read(connection: Connection) -> list[str]:
        kept = (tables.users.c.password, tables.sessions.c.digest, tables.tokens.c.digest)
        return [connection.execute(select(column)).scalar_one() for column in kept]

    return await services.ledger.read(read)


async def test_no_secret_is_in_an_export(tmp_path: Path) -> None:
    async with open_world(tmp_path, MIXED) as world:
        summary = await world.issue(world.write(customers(30)), wait=60)
        secrets = [secret for secret in world.settings().secrets() if secret]
        kept = await world.run(let_somebody_in)
        leaked = summary.folder / "reconciliation.csv"
        leaked.write_text("".join(f"1,{secret},Basic QWxhZGRpbjpvcGVu\r\n" for secret in secrets) + "end")
        found = content_of((await export_from(world, summary.batch.batch)).path)
    assert len(secrets) > 2
    assert len(kept) == 3
    text = "".join(found.values())
    assert [secret for secret in (*secrets, *kept, "QWxhZGRpbjpvcGVu") if secret in text] == []
    assert found["reports/reconciliation.csv"].endswith("end")


async def test_an_export_replaces_a_file_only_where_that_is_asked_for(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        batch = (await world.issue(world.write(customers(3)))).batch.batch
        there = world.write("mine", "out.zip")
        with pytest.raises(UsageError, match="is there already"):
            await export_from(world, batch)
        assert there.read_text() == "mine"
        await export_from(world, batch, may_replace=True)
        assert "README.txt" in content_of(there)
    assert parts_in(tmp_path) == []


async def test_an_export_into_a_folder_is_named_after_its_batch(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        batch = (await world.issue(world.write(customers(3)))).batch.batch
        done = await export_from(world, batch, to=tmp_path)
    assert done.path == tmp_path / f"{batch}.zip"


async def test_an_unknown_batch_is_told_and_leaves_no_file(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        with pytest.raises(UnknownBatch):
            await export_from(world, "20260302-044500-abcdef")
        assert not (tmp_path / "out.zip").exists()
