"""What the API refuses: who may not, what can't be read, and what is too much; each time in plain words."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from batch_issuer.accounts import Role
from batch_issuer.ledger.audit import Action, Via, list_entries
from batch_issuer.web.patience import Patience
from tests.pipeline.world import World, customers
from tests.web.callers import Reply, caller, stranger
from tests.web.site import HAND, Site, open_site

CSV = {"Content-Type": "text/csv"}
JSON = {"Content-Type": "application/json"}
HURRIED = Patience(seconds=0.05, bytes_a_second=10**12)


def problem(reply: Reply) -> dict[str, Any]:
    """Read a problem; it is always told in the same form."""
    assert reply.headers["Content-Type"] == "application/problem+json; charset=utf-8"
    assert {"title", "status", "detail"} <= reply.json.keys()
    assert reply.json["status"] == reply.status
    told: dict[str, Any] = reply.json
    return told


def nothing_is_left(world: World) -> bool:
    """Tell whether no upload is on the disk."""
    folder = world.output / ".uploads"
    return not folder.exists() or not list(folder.iterdir())


async def test_without_a_token_there_is_nothing(site: Site) -> None:
    for headers in ({}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer"}):
        reply = await (await stranger(site, **headers)).get("/api/batches")
        assert problem(reply)["status"] == 401
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_session_of_the_pages_opens_no_api(site: Site) -> None:
    browser = await site.browser(Role.MAKER)
    assert (await browser.get("/", follow=False)).status == 200
    assert (await browser.get("/api/batches")).status == 401


async def test_a_token_ends_with_its_time_its_revocation_and_its_user(site: Site, world: World) -> None:
    revoked, disabled = await caller(site, Role.MAKER, user="ada"), await caller(site, Role.MAKER, user="bob")
    short = await caller(site, Role.MAKER, user="cleo", days=1)
    for system in (revoked, disabled, short):
        assert (await system.get("/api/batches")).status == 200
    await site.console.accounts.revoke_token(revoked.token_id, by=HAND)
    await site.console.accounts.disable("bob", by=HAND)
    world.time.instant += timedelta(days=1, seconds=1)
    for system in (revoked, disabled, short):
        assert (await system.get("/api/batches")).status == 401


async def test_wrong_tokens_are_noted(site: Site) -> None:
    guesser = await stranger(site, Authorization="Bearer bi_wrong")
    for _ in range(3):
        assert (await guesser.get("/api/batches")).status == 401
    entries = await site.console.records.read(list_entries, action=Action.ACCESS_REFUSED)
    assert [(entry.address, entry.via, entry.detail["why"]) for entry in entries] == [
        ("127.0.0.1", Via.API, "its token is not valid")
    ] * 3
    assert "bi_wrong" not in str(entries)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.CHECKER, Role.ADMIN])
async def test_only_a_maker_brings_files(site: Site, world: World, role: Role) -> None:
    reply = await (await caller(site, role)).create(customers(2))
    assert "role maker" in problem(reply)["detail"]
    assert reply.status == 403
    assert nothing_is_left(world)


async def test_everything_that_is_wrong_is_told_at_once(site: Site, world: World) -> None:
    maker = await caller(site, Role.MAKER)
    query = [("limti", "5"), ("on_invalid", "ask"), ("again", "yes"), ("name", "a"), ("name", "b")]
    reply = await maker.post("/api/batches", data=b"x", headers=CSV, params=query)
    assert (reply.status, sorted(reply.wrong)) == (400, ["again", "limti", "name", "on_invalid"])
    assert nothing_is_left(world)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/batches", {"limit": "0"}),
        ("/api/batches", {"limit": "\uff15"}),
        ("/api/batches", {"limit": "1e2"}),
        ("/api/batches", {"limit": ""}),
        ("/api/batches", {"after": "x"}),
        ("/api/batches", {"issued_by": "\0"}),
        ("/api/batches", {"stage": "done"}),
        ("/api/batches/{batch}/rows", {"outcome": "lost"}),
        ("/api/batches/{batch}/rows", {"after": "-1"}),
        ("/api/batches/{batch}/rows", {"text": "x" * 201}),
    ],
)
async def test_a_wrong_question_is_told_to_be_one(site: Site, path: str, query: dict[str, str]) -> None:
    maker = await caller(site, Role.MAKER)
    batch = await maker.issued(customers(1))
    reply = await maker.get(path.format(batch=batch), **query)
    assert (reply.status, reply.wrong) == (
        400,
        [name if name != "outcome" else "outcome.0" for name in query],
    )


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "is empty"),
        ("PK\x03\x04 nothing", "no Excel workbook"),
    ],
)
async def test_what_is_no_spreadsheet_is_refused(site: Site, world: World, text: str, detail: str) -> None:
    reply = await (await caller(site, Role.MAKER)).create(text)
    assert reply.status == 422
    assert detail in problem(reply)["detail"]
    assert nothing_is_left(world)


async def test_an_option_that_can_not_be_meant_is_refused(site: Site, world: World) -> None:
    reply = await (await caller(site, Role.MAKER)).create(customers(2), encoding="latin-9")
    assert reply.status == 422
    assert "utf-8" in problem(reply)["detail"]
    assert nothing_is_left(world)


async def refusals(site: Site) -> list[str]:
    entries = await site.console.records.read(list_entries, action=Action.REQUEST_REFUSED, limit=50)
    return [str(entry.detail["why"]) for entry in entries]


async def creeping() -> AsyncIterator[bytes]:
    """Send a little, and then nothing for long."""
    yield b"customer_id,badge_meta_id\n"
    await asyncio.Event().wait()


async def trickling() -> AsyncIterator[bytes]:
    """Send all the time, and hardly anything."""
    while True:
        yield b"1"
        await asyncio.sleep(0)


@pytest.mark.parametrize("parts", [creeping, trickling])
async def test_a_file_that_comes_too_slowly_is_refused(world: World, parts: Any) -> None:
    async with open_site(world.settings(), world.time.clock(), patience=HURRIED) as site:
        maker = await caller(site, Role.MAKER)
        reply = await maker.post("/api/batches", data=parts(), headers=CSV)
        assert "too slowly" in problem(reply)["detail"]
        assert reply.status == 408
        assert nothing_is_left(world)
        assert len(await refusals(site)) == 1


async def test_a_file_that_is_too_large_is_refused(world: World) -> None:
    world.overrides["max_file_bytes"] = 100_000
    async with open_site(world.settings(), world.time.clock()) as site:
        maker = await caller(site, Role.MAKER)
        reply = await maker.create(customers(20_000))
        assert "MAX_FILE_BYTES" in problem(reply)["detail"]
        assert reply.status == 413
        assert nothing_is_left(world)
        assert len(await refusals(site)) == 1


async def test_a_file_whose_sender_goes_away_is_not_kept(site: Site, world: World) -> None:
    maker = await caller(site, Role.MAKER)
    host, port = site.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = [
        "POST /api/batches HTTP/1.1",
        f"Host: {host}:{port}",
        f"Authorization: {maker.http.headers['Authorization']}",
        "Content-Type: text/csv",
        "Content-Length: 100000",
    ]
    writer.write("\r\n".join([*head, "", customers(10)]).encode())
    async with asyncio.timeout(10):
        while nothing_is_left(world):  # noqa: ASYNC110 - a folder sends no event
            await asyncio.sleep(0)
        writer.close()
        while not nothing_is_left(world):  # noqa: ASYNC110 - a folder sends no event
            await asyncio.sleep(0)
    assert (await maker.get("/api/batches")).json["batches"] == []


BOUNDARY = {"Content-Type": "multipart/form-data; boundary=b"}
PART = 'Content-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\ncustomer_id,badge_meta_id\r\n'


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ("", BOUNDARY),
        ("no form", BOUNDARY),
        ("--b\r\n" + PART, BOUNDARY),
        ("--b\r\n" + PART + "--b\r\n", BOUNDARY),
        ("--b--\r\n", BOUNDARY),
        ("--b\r\nContent-Disposition: nonsense\r\n\r\nx\r\n--b--\r\n", BOUNDARY),
        (f"--b\r\n{PART}\r\n--b\r\n{PART}\r\n--b--\r\n", BOUNDARY),
        ("--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c--\r\n--b--\r\n", BOUNDARY),
        ("--b\r\n" + PART + "\r\n--b--\r\n", {"Content-Type": "multipart/form-data"}),
        ("--b\r\n" + "X: y\r\n" * 200 + "\r\n\r\n--b--\r\n", BOUNDARY),
        ('--b\r\nContent-Disposition: form-data; name="name"\r\n\r\n\xff\r\n--b--\r\n', BOUNDARY),
        (
            '--b\r\nContent-Disposition: form-data; name="_charset_"\r\n\r\n' + "x" * 40 + "\r\n--b--\r\n",
            BOUNDARY,
        ),
    ],
)
async def test_a_form_that_is_none_is_told_to_be_none(
    site: Site, world: World, body: str, headers: dict[str, str]
) -> None:
    maker = await caller(site, Role.MAKER)
    reply = await maker.post("/api/batches", data=body.encode("latin-1"), headers=headers)
    assert problem(reply)["status"] == 400
    assert nothing_is_left(world)


async def test_a_field_of_a_form_has_a_limit(site: Site, world: World) -> None:
    maker = await caller(site, Role.MAKER)
    field = f'Content-Disposition: form-data; name="name"\r\n\r\n{"x" * 20_000}'
    body = f"--b\r\n{PART}\r\n--b\r\n{field}\r\n--b--\r\n"
    reply = await maker.post("/api/batches", data=body.encode(), headers=BOUNDARY)
    assert problem(reply)["status"] == 413
    assert nothing_is_left(world)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/zip"},
        {**CSV, "Content-Encoding": "gzip"},
    ],
)
async def test_a_body_of_another_kind_is_refused(site: Site, world: World, headers: dict[str, str]) -> None:
    maker = await caller(site, Role.MAKER)
    packed = gzip.compress(customers(2).encode())
    reply = await maker.post("/api/batches", data=packed, headers=headers)
    assert problem(reply)["status"] == 415
    assert nothing_is_left(world)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ('{"message": "  "}', 422),
        ('{"message": ""}', 400),
        ('{"message": 5}', 400),
        ('{"message": "x", "force": true}', 400),
        ("{}", 400),
        ("[]", 400),
        ("{", 400),
        ("[" * 9_000, 400),
        (f'{{"message": "{"x" * 2_000}"}}', 400),
        (f'{{"message": "{"x" * 20_000}"}}', 413),
    ],
)
async def test_a_decision_needs_a_message(site: Site, body: str, status: int) -> None:
    maker, checker = await caller(site, Role.MAKER), await caller(site, Role.CHECKER)
    batch = await maker.issued(customers(1))
    reply = await checker.post(f"/api/batches/{batch}/approve", data=body, headers=JSON)
    assert problem(reply)["status"] == status


async def test_a_method_that_is_not_there_names_those_that_are(site: Site) -> None:
    maker = await caller(site, Role.MAKER)
    reply = await maker.send("DELETE", "/api/batches")
    assert problem(reply)["status"] == 405
    assert reply.headers["Allow"] == "GET,POST"


async def test_an_address_that_is_not_there_is_told_as_everything_else(site: Site) -> None:
    maker = await caller(site, Role.MAKER)
    for path in ("/api/", "/api/no-such", "/api/batches/", "/api/runs"):
        assert problem(await maker.get(path))["status"] == 404
