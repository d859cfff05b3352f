"""What other systems can do with a token: bring files, follow runs, and act on batches."""

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from batch_issuer.accounts import Role
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.ledger.audit import Action, Via, list_entries
from batch_issuer.ledger.runs import Action as Activity
from batch_issuer.ledger.runs import Run
from batch_issuer.runs import RunProgress
from batch_issuer.web.api.answers import RunAnswer
from tests.intake.workbooks import save
from tests.pipeline.world import BADGES, World, customers, open_world, read_csv
from tests.web.callers import Caller, caller
from tests.web.site import Site

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def form(text: str, name: str = "customers.csv", **fields: str) -> aiohttp.FormData:
    """Write a form with a file in it, the file last."""
    data = aiohttp.FormData(quote_fields=False)
    for field, value in fields.items():
        data.add_field(field, value)
    data.add_field("file", io.BytesIO(text.encode()), filename=name, content_type="text/csv")
    return data


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Open a world that has a checker, too."""
    async with open_world(tmp_path) as opened:
        known = opened.sandbox.credentials
        opened.overrides["checker_username"] = known.checker_username
        opened.overrides["checker_password"] = known.checker_password
        opened.overrides["checker_ui_auth_token"] = known.checker_ui_token
        yield opened


async def figures(system: Caller, batch: str) -> dict[str, int]:
    counts = (await system.get(f"/api/batches/{batch}")).json["counts"]
    return {outcome: count for outcome, count in counts.items() if count}


async def test_a_file_is_issued_and_followed_to_its_batch(site: Site, world: World) -> None:
    maker = await caller(site, Role.MAKER)
    started = await maker.create(customers(7), file_name="../may/spring.csv", name="spring")
    assert started.status == 202
    assert started.headers["Location"] == f"/api/runs/{started.json['run']}"
    ended = await maker.ended(started)
    assert (ended["state"], ended["exit_code"], ended["message"]) == ("ended", 0, "")
    batch = (await maker.get(f"/api/batches/{ended['batch']}")).json
    assert (batch["name"], batch["input"]["name"], batch["counts"]["pending"]) == ("spring", "spring.csv", 7)
    (listed,) = (await maker.get("/api/batches")).json["batches"]
    assert (listed["batch"], listed["issued_by"]) == (ended["batch"], "maker-system")
    assert (len(world.sandbox.requests), listed["counts"]) == (3, {"pending": 7})


async def test_a_run_tells_how_far_it_is() -> None:
    run = Run(run="0" * 16, action=Activity.ISSUE, user="ada", via=Via.API, made_at="2026-03-02T10:15:00Z")
    waiting, working = RunProgress(), RunProgress(is_waiting=False, checked=500, planned=5, at_rest=2)
    ended = replace(run, ended_at="2026-03-02T10:16:00Z", exit_code=ExitCode.DONE)
    told = [
        RunAnswer.of(one, progress, message="").model_dump(mode="json")
        for one, progress in ((run, waiting), (run, working), (ended, working), (run, None))
    ]
    assert [one["state"] for one in told] == ["waits", "under_way", "ended", "waits"]
    assert told[1]["progress"] == {"rows_checked": 500, "requests_planned": 5, "requests_at_rest": 2}
    assert (told[2]["progress"], told[2]["exit_code"]) == (None, 0)


async def test_a_form_brings_the_file_and_its_options_in_any_order(site: Site) -> None:
    maker = await caller(site, Role.MAKER)
    data = form(
        "Member No\n700000001\n700000002\nx\n", name="C:\\lists\\members.csv", badge_meta_id=BADGES[1]
    )
    for field, value in {"map": "Member No=customer_id", "on_invalid": "skip", "max_invalid": "40%"}.items():
        data.add_field(field, value)
    ended = await maker.ended(await maker.post("/api/batches", data=data))
    assert (ended["exit_code"], await figures(maker, ended["batch"])) == (4, {"pending": 2, "invalid": 1})
    batch = (await maker.get(f"/api/batches/{ended['batch']}")).json
    assert (batch["input"]["name"], list(batch["badges"])) == ("members.csv", [BADGES[1]])


async def test_a_workbook_is_taken_as_it_is(site: Site, tmp_path: Path) -> None:
    maker = await caller(site, Role.MAKER)
    path = save(tmp_path / "book.xlsx", [["customer_id", "badge_meta_id"], [700_000_001, BADGES[0]]])
    headers = {"Content-Type": XLSX}
    ended = await maker.ended(await maker.post("/api/batches", data=path.read_bytes(), headers=headers))
    assert await figures(maker, ended["batch"]) == {"pending": 1}


async def test_an_invalid_file_ends_its_run_with_the_rules_that_it_breaks(site: Site) -> None:
    maker = await caller(site, Role.MAKER)
    ended = await maker.ended(await maker.create(customers(2) + f"0012,{BADGES[0]}\n"))
    assert ended["exit_code"] == 3
    assert "1 of 3 rows is invalid" in ended["message"]
    (rule,) = (await maker.get(f"/api/batches/{ended['batch']}")).json["problems"]
    assert (rule["rule"], rule["examples"][0]["row"]) == ("leading_zero", 4)


async def test_content_that_was_issued_is_issued_again_only_where_that_is_said(site: Site) -> None:
    maker = await caller(site, Role.MAKER)
    batch = await maker.issued(customers(2))
    ended = await maker.ended(await maker.create(customers(2)))
    assert (ended["exit_code"], ended["batch"]) == (7, "")
    assert batch in ended["message"]
    assert await maker.issued(customers(2), again="true") != batch


async def test_the_same_key_answers_with_the_first_run(site: Site, world: World) -> None:
    maker = await caller(site, Role.MAKER)
    first = await maker.create(customers(4), key="may 7", name="x", file_name="a.csv")
    again = await maker.create(customers(4), key="may 7", name="x", file_name="b.csv")
    assert (first.status, again.status, first.json["run"]) == (202, 202, again.json["run"])
    assert ("Idempotency-Replayed" in first.headers, again.headers["Idempotency-Replayed"]) == (False, "true")
    await maker.ended(first)
    third = await maker.create(customers(4), key="may 7", name="x")
    assert (third.json["run"], third.json["exit_code"]) == (first.json["run"], 0)
    uploads = [path.name for path in (world.output / ".uploads").iterdir()]
    assert len(uploads) == 1


@pytest.mark.parametrize(("text", "name"), [(customers(5), "x"), (customers(4), "y")])
async def test_a_key_stands_for_one_content_with_one_set_of_options(
    site: Site, world: World, text: str, name: str
) -> None:
    maker = await caller(site, Role.MAKER)
    await maker.ended(await maker.create(customers(4), key="k", name="x"))
    reused = await maker.create(text, key="k", name=name)
    assert (reused.status, "send a new key" in reused.detail) == (422, True)
    assert len(list((world.output / ".uploads").iterdir())) == 1


async def test_many_callers_with_one_key_at_the_same_moment_make_one_batch(site: Site, world: World) -> None:
    maker = await caller(site, Role.MAKER)
    replies = await asyncio.gather(*(maker.create(customers(6), key="one") for _ in range(8)))
    assert {reply.status for reply in replies} == {202}
    assert len({reply.json["run"] for reply in replies}) == 1
    assert sum("Idempotency-Replayed" not in reply.headers for reply in replies) == 1
    await maker.ended(replies[0])
    assert len((await maker.get("/api/batches")).json["batches"]) == 1
    assert len(world.sandbox.requests) == 2


async def test_the_keys_of_two_users_are_two(site: Site) -> None:
    ada, bob = await caller(site, Role.MAKER, user="ada"), await caller(site, Role.MAKER, user="bob")
    first = await ada.create(customers(2), key="k")
    second = await bob.create(customers(3, first=800_000_001), key="k")
    assert (first.status, second.status) == (202, 202)
    assert first.json["run"] != second.json["run"]


@pytest.mark.parametrize("key", ["", "ä", "x" * 129])
async def test_a_key_that_can_not_be_one_is_told(site: Site, key: str) -> None:
    maker = await caller(site, Role.MAKER)
    headers = {"Content-Type": "text/csv", "Idempotency-Key": key}
    reply = await maker.post("/api/batches", data=b"x", headers=headers)
    assert (reply.status, reply.wrong) == (400, ["Idempotency-Key"])


async def test_a_checker_approves_what_somebody_else_made(site: Site, world: World) -> None:
    maker, checker = await caller(site, Role.MAKER), await caller(site, Role.CHECKER)
    batch = await maker.issued(customers(4))
    approved = await checker.post(f"/api/batches/{batch}/approve", json={"message": "as agreed"})
    assert (await checker.ended(approved))["exit_code"] == 0
    assert await figures(checker, batch) == {"issued": 4}
    lines = read_csv(world.output / batch / "reconciliation.csv")
    assert {line["outcome"] for line in lines} == {"issued"}


async def test_a_checker_rejects_with_a_message(site: Site) -> None:
    maker, checker = await caller(site, Role.MAKER), await caller(site, Role.CHECKER)
    batch = await maker.issued(customers(4))
    rejected = await checker.post(f"/api/batches/{batch}/reject", json={"message": "the wrong badge"})
    await checker.ended(rejected)
    assert await figures(checker, batch) == {"rejected": 4}


async def test_nobody_approves_a_batch_of_their_own(site: Site) -> None:
    both = await caller(site, Role.MAKER, Role.CHECKER)
    batch = await both.issued(customers(2))
    reply = await both.post(f"/api/batches/{batch}/approve", json={"message": "fine"})
    assert (reply.status, "ask another checker" in reply.detail) == (403, True)
    (refused,) = await site.console.records.read(list_entries, action=Action.ACCESS_REFUSED)
    assert (refused.user, refused.about, refused.detail["why"]) == (both.user, batch, "their own batch")
    assert await figures(both, batch) == {"pending": 2}


@pytest.mark.parametrize("action", ["resume", "retry", "refresh"])
async def test_a_maker_follows_up_a_batch(site: Site, action: str) -> None:
    maker = await caller(site, Role.MAKER)
    batch = await maker.issued(customers(2))
    ended = await maker.ended(await maker.post(f"/api/batches/{batch}/{action}"))
    assert (ended["action"], ended["batch"], ended["exit_code"]) == (action, batch, 0)


async def test_a_run_that_is_stopped_ends_in_order_and_is_resumed(site: Site, world: World) -> None:
    maker = await caller(site, Role.MAKER)
    started = await maker.create(customers(1_200))
    await until_sending(site, started.json["run"])
    stopped = await maker.post(f"{started.headers['Location']}/stop")
    assert (stopped.status, stopped.json["run"]) == (202, started.json["run"])
    ended = await maker.ended(started)
    assert (ended["exit_code"], 0 < len(world.sandbox.requests) < 400) == (5, True)
    await maker.ended(await maker.post(f"/api/batches/{ended['batch']}/resume"))
    assert await figures(maker, ended["batch"]) == {"pending": 1_200}
    assert len(world.sandbox.requests) == 400
    assert (await maker.post(f"{started.headers['Location']}/stop")).status == 202


async def until_sending(site: Site, run: str) -> None:
    async with asyncio.timeout(30):
        while not getattr(site.console.runs.progress(run), "at_rest", 0):  # noqa: ASYNC110 - it sends no event
            await asyncio.sleep(0)


async def test_what_does_not_send_can_not_be_stopped(site: Site) -> None:
    maker = await caller(site, Role.MAKER)
    batch = await maker.issued(customers(2))
    refreshed = await maker.post(f"/api/batches/{batch}/refresh")
    reply = await maker.post(f"{refreshed.headers['Location']}/stop")
    assert (reply.status, "can't be stopped" in reply.detail) == (409, True)
    await maker.ended(refreshed)


async def test_every_step_of_a_system_is_in_the_audit_log(site: Site) -> None:
    maker, checker = await caller(site, Role.MAKER), await caller(site, Role.CHECKER)
    batch = await maker.issued(customers(2))
    await maker.ended(await maker.post(f"/api/batches/{batch}/refresh"))
    await checker.ended(await checker.post(f"/api/batches/{batch}/approve", json={"message": "fine"}))
    await checker.get(f"/api/batches/{batch}/files/requests.csv")
    entries = await site.console.records.read(list_entries, limit=50)
    asked = [(entry.user, entry.action) for entry in reversed(entries) if entry.via is Via.API]
    for step in (
        ("maker-system", Action.UPLOADED),
        ("maker-system", Action.ISSUE_CONFIRMED),
        ("maker-system", Action.REFRESH_ASKED),
        ("checker-system", Action.APPROVE_ASKED),
        ("checker-system", Action.FILE_DOWNLOADED),
    ):
        assert step in asked
