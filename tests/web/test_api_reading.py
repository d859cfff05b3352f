"""What other systems read: batches, rows and files, as the console has them."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
import schemathesis

from batch_issuer.accounts import Role
from batch_issuer.ledger import BatchStage
from batch_issuer.ledger.batches import insert_batch
from batch_issuer.reports.requests_file import REQUEST_COLUMNS
from batch_issuer.reports.row_files import RECONCILIATION_COLUMNS
from batch_issuer.web.api.routes import OPERATIONS, ROUTES
from tests.conftest import make_batch
from tests.pipeline.world import BADGES, World, customers, read_csv
from tests.web.callers import Caller, caller, stranger
from tests.web.site import Site

MIXED = (
    "customer_id,badge_meta_id,note\n"
    + "".join(f"{700_000_000 + n},{BADGES[n % 3]},n{n}\n" for n in range(20))
    + f"0012,{BADGES[0]},=cmd\n"
    + f"700000003,{BADGES[0]},repeats\n"
    + f"\n1.13461E+08,{BADGES[1]},<b>lost</b>\n"
)


async def pages(system: Caller, path: str, name: str, **query: Any) -> list[dict[str, Any]]:
    """Read page by page to the end."""
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        page = (await system.get(path, **query, **({"after": after} if after else {}))).json
        assert len(page[name]) <= query["limit"]
        found += page[name]
        after = page["next"]
        if not after:
            return found


async def mixed(system: Caller) -> str:
    """Issue rows of which some are invalid, and some repeat others."""
    return await system.issued(MIXED, on_invalid="skip", max_invalid="2")


@pytest.mark.parametrize("limit", [1, 7, 500])
async def test_rows_are_those_of_the_reconciliation_page_by_page(
    site: Site, world: World, limit: int
) -> None:
    maker = await caller(site, Role.MAKER)
    batch = await mixed(maker)
    rows = await pages(maker, f"/api/batches/{batch}/rows", "rows", limit=limit)
    lines = read_csv(world.output / batch / "reconciliation.csv")
    assert [{name: str(row[name]) for name in RECONCILIATION_COLUMNS} for row in rows] == lines
    assert len(rows) == 23


async def test_rows_are_found_by_outcome_and_by_text(site: Site) -> None:
    maker = await caller(site, Role.MAKER)
    path = f"/api/batches/{await mixed(maker)}/rows"
    invalid = await pages(maker, path, "rows", limit=50, outcome="invalid")
    assert [row["row"] for row in invalid] == [22, 25]
    both = await maker.get(path, outcome=["invalid", "duplicate"])
    assert [row["outcome"] for row in both.json["rows"]] == ["invalid", "duplicate", "invalid"]
    (found,) = (await maker.get(path, text="700000019")).json["rows"]
    assert (found["row"], found["outcome"]) == (21, "pending")
    assert (await maker.get(path, text="no such text")).json == {"rows": [], "next": ""}


@pytest.mark.parametrize("limit", [1, 3, 500])
async def test_requests_are_those_of_the_file_page_by_page(site: Site, world: World, limit: int) -> None:
    maker = await caller(site, Role.MAKER)
    batch = await mixed(maker)
    told = await pages(maker, f"/api/batches/{batch}/requests", "requests", limit=limit)
    lines = read_csv(world.output / batch / "requests.csv")
    written = [
        {name: "" if one[name] is None else str(one[name]) for name in REQUEST_COLUMNS} for one in told
    ]
    assert written == lines
    assert len(told) == 8


async def test_requests_are_found_by_state(site: Site, world: World) -> None:
    maker = await caller(site, Role.MAKER)
    world.sandbox.will_answer(400)
    path = f"/api/batches/{await maker.issued(customers(9))}/requests"
    (failed,) = (await maker.get(path, state="failed")).json["requests"]
    waiting = (await maker.get(path, waiting="true")).json["requests"]
    assert (failed["http_status"], {one["state"] for one in waiting}) == (400, {"AdminTask"})
    assert len(waiting) == 2
    assert (await maker.get(path, state="no such state")).json == {"requests": [], "next": ""}


async def test_batches_are_read_to_the_end_while_new_ones_come(site: Site, world: World) -> None:
    ada, bob = await caller(site, Role.MAKER, user="ada"), await caller(site, Role.MAKER, user="bob")
    made = [await (ada, bob)[n % 2].issued(customers(2, first=600_000_001 + 10 * n)) for n in range(5)]
    first = (await ada.get("/api/batches", limit=2)).json
    world.time.instant += timedelta(minutes=1)
    await ada.issued(customers(2, first=500_000_001))
    behind = await pages(ada, "/api/batches", "batches", limit=2)
    rest = (await ada.get("/api/batches", limit=500, after=first["next"])).json
    seen = [batch["batch"] for batch in (*first["batches"], *rest["batches"])]
    assert seen == sorted(made, reverse=True)
    assert (len(behind), rest["next"]) == (6, "")
    of_bob = await pages(ada, "/api/batches", "batches", limit=1, issued_by="bob")
    assert [batch["batch"] for batch in of_bob] == sorted((made[1], made[3]), reverse=True)


async def test_batches_are_listed_by_how_far_they_have_come(site: Site) -> None:
    maker = await caller(site, Role.MAKER)
    accepted = await maker.issued(customers(2))
    refused = await maker.issued("customer_id,badge_meta_id\nx,y\n")
    for stage, batch in (("accepted", accepted), ("refused", refused)):
        (listed,) = (await maker.get("/api/batches", stage=stage)).json["batches"]
        assert (listed["batch"], listed["stage"]) == (batch, stage)
    assert (await maker.get("/api/batches", stage="recording")).json["batches"] == []


async def test_a_batch_is_told_as_its_summary_tells_it(site: Site, world: World) -> None:
    maker = await caller(site, Role.MAKER)
    batch = await mixed(maker)
    told = (await maker.get(f"/api/batches/{batch}")).json
    written = json.loads((world.output / batch / "summary.json").read_text())
    assert told | {"pruned_at": ""} == written | {"pruned_at": ""}


async def test_a_batch_that_is_being_recorded_is_told_as_far_as_it_is(site: Site) -> None:
    maker = await caller(site, Role.MAKER)
    recording = replace(make_batch(stage=BatchStage.RECORDING), rows=0)
    await site.console.records.write(insert_batch, recording)
    path = f"/api/batches/{recording.batch}"
    assert (await maker.get("/api/batches", stage="recording")).json["batches"][0]["batch"] == recording.batch
    assert (await maker.get(path)).json["totals"] == {"rows_in": 0, "rows_out": 0, "balanced": True}
    for part, name in (("rows", "rows"), ("requests", "requests"), ("files", "files")):
        assert (await maker.get(f"{path}/{part}")).json[name] == []


async def test_every_file_comes_as_it_is_of_its_type_and_to_be_kept(site: Site, world: World) -> None:
    maker = await caller(site, Role.MAKER)
    batch = await mixed(maker)
    files = (await maker.get(f"/api/batches/{batch}/files")).json["files"]
    assert [file["name"] for file in files] == [
        *("summary.json", "reconciliation.csv", "requests.csv", "rejects.csv", "report.html")
    ]
    for file in files:
        reply = await maker.get(file["url"])
        assert reply.body == (world.output / batch / file["name"]).read_bytes()
        assert len(reply.body) == file["bytes"]
        assert reply.headers["Content-Type"] == f"{file['content_type']}; charset=utf-8"
        assert reply.headers["Content-Disposition"] == f'attachment; filename="{batch}-{file["name"]}"'
        assert reply.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "name",
    [
        *("input.csv", "failed.csv", "ledger.db", ".", "..", "%2e%2e", "SUMMARY.JSON", "summary.json%00"),
        *("..%2f..%2fledger.db", "..%2Fsummary.json", "%2Fetc%2Fpasswd", "..%5csummary.json"),
        *("../../ledger.db", "../files/../../ledger.db", "summary.json/..", "/etc/passwd"),
    ],
)
async def test_only_the_files_of_the_list_can_be_read(site: Site, name: str) -> None:
    maker = await caller(site, Role.MAKER)
    batch = await maker.issued(customers(2))
    reply = await maker.get_raw(f"/api/batches/{batch}/files/{name}")
    assert reply.status == 404
    assert reply.headers["Content-Type"].startswith("application/problem+json")


@pytest.mark.parametrize(
    "batch",
    ["..", ".uploads", "%2e%2e", "20260302-101500-7a919e", "20260302-101500-7a919e%2F..", "x" * 5_000],
)
async def test_what_is_no_batch_is_told_to_be_none(site: Site, batch: str) -> None:
    maker = await caller(site, Role.MAKER)
    for path in ("", "/rows", "/files", "/files/summary.json"):
        assert (await maker.get_raw(f"/api/batches/{batch}{path}")).status == 404
    assert (await maker.post(f"/api/batches/{batch}/refresh")).status in {404, 405}
    assert (await maker.get_raw(f"/api/runs/{batch}")).status == 404


async def test_the_document_names_every_operation_and_needs_no_token(site: Site) -> None:
    nobody = await stranger(site)
    document = (await nobody.get("/api/openapi.json")).json
    told = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    served = {(route.method, route.path) for route in ROUTES if route.path != "/api/openapi.json"}
    assert told == served == {(one.method, one.path) for one in OPERATIONS}
    schemathesis.openapi.from_dict(document).validate()


async def test_no_secret_is_in_any_answer(site: Site, world: World) -> None:
    maker = await caller(site, Role.MAKER)
    batch = await mixed(maker)
    answers = [await maker.get("/api/batches"), await maker.get(f"/api/batches/{batch}")]
    answers += [await maker.get(f"/api/batches/{batch}/{part}") for part in ("rows", "files")]
    secrets = [secret for secret in world.settings().secrets() if secret]
    assert secrets
    for reply in answers:
        assert not [secret for secret in secrets if secret.encode() in reply.body]


async def test_a_range_of_a_file_can_be_asked_for(site: Site) -> None:
    maker = await caller(site, Role.MAKER)
    path = f"/api/batches/{await maker.issued(customers(2))}/files/reconciliation.csv"
    whole = await maker.get(path)
    part = await maker.send("GET", path, headers={"Range": "bytes=3-9"})
    assert (part.status, part.body) == (206, whole.body[3:10])


async def test_a_system_that_follows_closes_its_connection_in_peace(site: Site) -> None:
    maker = await caller(site, Role.MAKER)
    started = await maker.create(customers(2))
    async with aiohttp.ClientSession(headers=maker.http.headers) as http:
        for _ in range(3):
            async with http.get(f"{site.url}{started.headers['Location']}") as answer:
                assert (await answer.json())["state"] in {"waits", "under_way", "ended"}
    await maker.ended(started)
