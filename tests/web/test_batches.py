"""What people see of their batches, and what they can do with them, over HTTP and without scripts."""

import asyncio
import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from batch_issuer.accounts import Role
from batch_issuer.batch.ids import BatchId
from batch_issuer.ledger.audit import list_entries
from batch_issuer.ledger.batches import insert_batch
from batch_issuer.planning import MaxInvalid
from batch_issuer.sandbox import Scenario
from tests.conftest import make_batch
from tests.pipeline.world import customers
from tests.web.batches import UPLOAD, open_office

HALF = MaxInvalid.parse("50%")
XSS = "<script>alert(1)</script>"


async def test_the_list_of_batches_says_who_issued_what_and_how_it_stands(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        browser = await office.site.browser(Role.VIEWER)
        assert "No batch yet" in (await browser.get("/")).words
        await office.issue(customers(7), name="May badges")
        await office.issue(customers(3, first=800_000_001) + "x,y\n", upload="a" * 16, user="tom")
        page = await browser.get("/")
        assert "May badges" in page.words
        assert "waits for approval mia" in page.words
        assert "7 pending" in page.words
        assert "refused tom" in page.words
        assert "New batch" not in page.words
        assert "tom" not in (await browser.get("/?user=mia")).words
        assert "May badges" in (await browser.get("/?text=MAY+BAD")).words
        assert "No such batch" in (await browser.get("/?text=%25")).words


async def test_the_list_of_batches_is_turned_page_by_page(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        for n in range(27):
            made = replace(make_batch(), batch=BatchId(f"20260302-0445{n:02}-abcdef"), name=f"number {n}!")
            await office.site.console.records.write(insert_batch, made)
        browser = await office.site.browser(Role.VIEWER)
        newest = await browser.get("/")
        assert "number 26!" in newest.words
        assert "number 1!" not in newest.words
        older = newest.text.partition('">Older</a>')[0].rpartition('href="')[2]
        page = await browser.get(older.replace("&amp;", "&"))
        assert "number 1!" in page.words
        assert "number 0!" in page.words
        assert "number 26!" not in page.words


async def test_a_batch_shows_its_outcomes_as_a_chart_and_as_a_table(tmp_path: Path) -> None:
    async with open_office(tmp_path, Scenario(decide_after_seconds=0)) as office:
        text = customers(7) + customers(1).split("\n", 1)[1] + "x,y\n"
        batch = await office.issue(text, on_invalid="skip", max_invalid=HALF)
        browser = await office.site.browser(Role.VIEWER)
        page = await browser.get(f"/batches/{batch}")
        assert page.status == 200
        assert 'role="img" aria-label="Rows by outcome, as in the table below"' in page.text
        for words in ("issued 7 77.8%", "duplicate 1 11.1%", "invalid 1 11.1%"):
            assert words in page.words
        assert "Done, but for invalid rows" in page.words
        assert "rejects.csv" in page.words
        assert "<button" not in page.text.partition("<main")[2]  # a viewer only looks


async def test_every_file_is_sent_to_be_kept_under_a_name_of_ours(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        batch = await office.issue(customers(7) + "x,y\n", on_invalid="skip", max_invalid=HALF)
        browser = await office.site.browser(Role.VIEWER)
        types = {
            "reconciliation.csv": "text/csv; charset=utf-8",
            "requests.csv": "text/csv; charset=utf-8",
            "rejects.csv": "text/csv; charset=utf-8",
            "input.csv": "text/csv; charset=utf-8",
            "report.html": "text/html; charset=utf-8",
            "summary.json": "application/json; charset=utf-8",
        }
        shown = await browser.get(f"/batches/{batch}")
        for name, content_type in types.items():
            assert f'href="/batches/{batch}/files/{name}"' in shown.text
            page = await browser.get(f"/batches/{batch}/files/{name}")
            assert page.status == 200
            assert page.headers["Content-Type"] == content_type
            assert page.headers["Content-Disposition"] == f'attachment; filename="{batch}-{name}"'
            assert page.headers["X-Content-Type-Options"] == "nosniff"
        lines = (await browser.get(f"/batches/{batch}/files/reconciliation.csv")).text
        assert len(list(csv.DictReader(io.StringIO(lines.lstrip("\ufeff"))))) == 8
        summary = json.loads((await browser.get(f"/batches/{batch}/files/summary.json")).text)
        assert summary["batch"] == batch
        entries = await office.site.console.records.read(list_entries, action="file_downloaded")
    assert {str(entry.detail["file"]) for entry in entries} == set(types)


@pytest.mark.parametrize(
    "path",
    [
        "files/failed.csv",
        "files/ledger.db",
        "files/.lock",
        "files/../summary.json",
        "files/..%2f..%2fledger.db",
        "files/%2e%2e%2f%2e%2e%2fledger.db",
        "files//etc/passwd",
        "files/reconciliation.csv%00",
    ],
)
async def test_no_other_file_can_be_had(tmp_path: Path, path: str) -> None:
    async with open_office(tmp_path) as office:
        batch = await office.issue()
        browser = await office.site.browser(Role.MAKER)
        assert (await browser.get(f"/batches/{batch}/{path}")).status == 404


async def test_who_tries_names_of_files_is_noted(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        batch = await office.issue()
        browser = await office.site.browser(Role.MAKER, user="mallory")
        await browser.get(f"/batches/{batch}/files/..%2f..%2fledger.db")
        (entry,) = await office.site.console.records.read(list_entries, action="request_refused")
    assert (entry.user, entry.about) == ("mallory", batch)


@pytest.mark.parametrize("batch", ["20260101-000000-abcdef", "..%2f", "no-such", "20260302-101500-"])
async def test_a_batch_that_is_none_is_told_in_plain_words(tmp_path: Path, batch: str) -> None:
    async with open_office(tmp_path) as office:
        browser = await office.site.browser(Role.MAKER)
        for page in ("", "/now", "/rows", "/requests", "/events", "/files/summary.json"):
            assert (await browser.get(f"/batches/{batch}{page}")).status == 404


async def test_what_a_file_holds_is_shown_as_text_and_never_run(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        text = f"customer_id,badge_meta_id\n{XSS},=cmd()\n" + customers(5).split("\n", 1)[1]
        batch = await office.issue(
            text, on_invalid="skip", max_invalid=HALF, name=XSS, file_name=f"{XSS}.csv"
        )
        browser = await office.site.browser(Role.MAKER)
        for path in (
            "/",
            f"/batches/{batch}",
            f"/batches/{batch}/rows",
            f"/batches/{batch}/requests",
            "/approvals",
        ):
            page = await browser.get(path)
            assert page.status == 200
            assert XSS not in page.text
            assert "&lt;script&gt;alert(1)" in page.text
        page = await browser.get(f"/batches/{batch}/rows?text={XSS}&outcome=%22%3E{XSS}")
        assert XSS not in page.text


async def test_rows_are_searched_filtered_and_turned(tmp_path: Path) -> None:
    async with open_office(tmp_path, chunk_size=50) as office:
        batch = await office.issue(customers(120) + "x,y\n", on_invalid="skip")
        browser = await office.site.browser(Role.VIEWER)
        first = await browser.get(f"/batches/{batch}/rows")
        assert "700000050" in first.words
        assert "700000051" not in first.words
        more = first.text.partition('">Next rows</a>')[0].rpartition('href="')[2].replace("&amp;", "&")
        assert "700000051" in (await browser.get(more)).words
        found = await browser.get(f"/batches/{batch}/rows?text=700000120")
        assert found.text.count('<th scope="row" class="number">') == 1
        invalid = await browser.get(f"/batches/{batch}/rows?outcome=invalid")
        assert "122 x y" in invalid.words
        assert "No such row" in (await browser.get(f"/batches/{batch}/rows?text=nobody")).words
        for after in ("-1", "x", "9" * 40, "1e3", "٣"):
            assert (await browser.get(f"/batches/{batch}/rows?after={after}")).status == 200


async def test_requests_are_filtered_by_state_and_turned(tmp_path: Path) -> None:
    async with open_office(tmp_path, chunk_size=1) as office:
        office.world.sandbox.will_answer(400)
        batch = await office.issue(customers(60))
        browser = await office.site.browser(Role.VIEWER)
        page = await browser.get(f"/batches/{batch}/requests")
        assert "waits for a checker failed (1) AdminTask (59)" in page.words
        assert page.text.count('<th scope="row"') == 50
        more = page.text.partition('">Next requests</a>')[0].rpartition('href="')[2].replace("&amp;", "&")
        assert (await browser.get(more)).text.count('<th scope="row"') == 10
        failed = await browser.get(f"/batches/{batch}/requests?state=failed")
        assert failed.text.count('<th scope="row"') == 1
        await office.world.time.sleep(3 * 3_600)
        waiting = await browser.get(f"/batches/{batch}/requests?state=waiting")
        assert "waits for 3 hours" in waiting.words
        assert waiting.text.count('<th scope="row"') == 50
        for query in ("state=nonsense", "after=1.2.3", "after=x", "after=1..0&state=waiting"):
            assert (await browser.get(f"/batches/{batch}/requests?{query}")).status == 200
        assert "No such request" in (await browser.get(f"/batches/{batch}/requests?state=x")).words


async def test_a_maker_refreshes_retries_and_resumes_by_buttons(tmp_path: Path) -> None:
    async with open_office(tmp_path, chunk_size=1) as office:
        office.world.sandbox.will_answer(400)
        batch = await office.issue(customers(3))
        browser = await office.site.browser(Role.MAKER, user="mia")
        page = await browser.get(f"/batches/{batch}")
        assert "Waits for approval" in page.words
        assert "Retry what failed" in page.words
        for action in ("retry", "refresh", "resume"):
            asked = await browser.post(f"/batches/{batch}/{action}")
            assert (asked.status, asked.to) == (303, f"/batches/{batch}")
            await office.finish_all()
        page = await browser.get(f"/batches/{batch}")
        assert "Retry what failed" not in page.words
        assert "3 100.0%" in page.words
        for did in ("issued mia", "retried mia", "refreshed mia", "resumed mia"):
            assert did in page.words
    assert len(office.world.sandbox.requests) == 3


async def test_who_only_looks_can_ask_for_nothing(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        batch = await office.issue()
        for roles in ((Role.VIEWER,), (Role.ADMIN,)):
            browser = await office.site.browser(*roles)
            for action in ("retry", "refresh", "resume", "pause", "decide"):
                assert (
                    await browser.post(f"/batches/{batch}/{action}", {"decision": "approve"})
                ).status == 403
        maker = await office.site.browser(Role.MAKER)
        assert (await maker.post(f"/batches/{batch}/decide", {"decision": "approve"})).status == 403
        checker = await office.site.browser(Role.CHECKER)
        assert (await checker.post(f"/batches/{batch}/resume")).status == 403
        assert (await checker.post(f"/batches/{batch}/refresh", csrf="0" * 64)).status == 403
        assert await office.site.console.runs.list_open() == []


async def test_a_batch_that_is_sent_can_be_paused_and_says_how_it_goes_on(tmp_path: Path) -> None:
    async with open_office(tmp_path, concurrency=1) as office:
        run = await office.begin(customers(90))
        browser = await office.site.browser(Role.MAKER)
        while not office.world.sandbox.requests:
            await browser.get("/health/live")
        found = await office.site.console.runs.find(run.run)
        assert found is not None
        page = await browser.get(f"/batches/{found.batch}")
        assert "Being sent" in page.words
        assert '<noscript><meta http-equiv="refresh"' in page.text
        await browser.post(f"/batches/{found.batch}/pause")
        await office.finish(run)
        page = await browser.get(f"/batches/{found.batch}")
        assert "Paused" in page.words
        assert "Resume goes on where it stopped" in page.words
        assert "batch-issuer" not in page.text.partition("<main")[2]
        await browser.post(f"/batches/{found.batch}/resume")
        await office.finish_all()
        assert "Waits for approval" in (await browser.get(f"/batches/{found.batch}")).words


async def test_the_page_of_a_run_leads_on_to_its_batch(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        run = await office.begin(customers(7))
        browser = await office.site.browser(Role.MAKER)
        assert (await browser.get(f"/runs/{run.run}")).status == 200
        ended = await office.finish(run)
        page = await browser.get(f"/runs/{run.run}", follow=False)
        assert (page.status, page.to) == (303, f"/batches/{ended.batch}")
        for name in ("0" * 16, "x", "..%2f"):
            assert (await browser.get(f"/runs/{name}")).status == 404


async def test_a_run_that_came_to_no_batch_says_why_and_what_to_do(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        await office.issue(customers(7))
        again = await office.finish(await office.begin(customers(7), upload="b" * 16))
        browser = await office.site.browser(Role.MAKER)
        page = await browser.get(f"/runs/{again.run}")
        assert "No batch came of it" in page.words
        assert "This content is batch" in page.words
        assert "Nothing was sent." in page.words
        assert "--again" not in page.words
        assert f"/uploads/{'b' * 16}/plan" in page.text


async def test_a_refused_file_says_so_on_its_page(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        batch = await office.issue(customers(3) + "x,y\n")
        browser = await office.site.browser(Role.VIEWER)
        page = await browser.get(f"/batches/{batch}")
        assert "Nothing was sent" in page.words
        assert "1 of 4 rows is invalid" in page.words
        assert "--on-invalid" not in page.words


async def test_a_checker_decides_and_the_maker_reads_how_it_went(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        batch = await office.issue(customers(7), name="May")
        eve = await office.site.browser(Role.CHECKER, user="eve")
        page = await eve.get("/approvals")
        assert "May" in page.words
        assert "Approve all 3" in page.words
        blank = await eve.post(f"/batches/{batch}/decide", {"decision": "approve", "message": " "})
        assert blank.status == 422
        assert "Say in a few words why" in blank.words
        assert (await eve.post(f"/batches/{batch}/decide", {"message": "x"})).status == 400
        decided = await eve.post(f"/batches/{batch}/decide", {"decision": "approve", "message": "seen"})
        assert (decided.status, decided.to) == (303, f"/batches/{batch}")
        await office.finish_all()
        assert "Nothing waits" in (await eve.get("/approvals")).words
        page = await eve.get(f"/batches/{batch}")
        assert "Done" in page.words
        assert "issued 7 100.0%" in page.words
        assert "approved eve" in page.words


async def test_nobody_decides_a_batch_of_their_own(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        batch = await office.issue(user="mia")
        mia = await office.site.browser(Role.MAKER, Role.CHECKER, user="mia")
        page = await mia.get("/approvals")
        assert "You issued, resumed or retried this batch: another checker must decide it." in page.words
        assert "Approve all" not in page.words
        refused = await mia.post(f"/batches/{batch}/decide", {"decision": "approve", "message": "fine"})
        assert refused.status == 403
        assert "ask another checker" in refused.words
        (entry,) = await office.site.console.records.read(list_entries, action="access_refused")
        assert (entry.user, entry.about) == ("mia", batch)
        assert all(record.state.value != "approved" for record in office.world.sandbox.requests)


async def test_a_decision_that_could_not_be_made_is_told(tmp_path: Path) -> None:
    async with open_office(tmp_path, checker_password="wrong") as office:
        batch = await office.issue()
        eve = await office.site.browser(Role.CHECKER, user="eve")
        await eve.get("/approvals")
        await eve.post(f"/batches/{batch}/decide", {"decision": "reject", "message": "no"})
        await office.finish_all()
        page = await eve.get("/approvals")
        assert "The last decision did not reach all of it." in page.words
        assert UPLOAD not in page.text


async def test_a_double_press_asks_once(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        batch = await office.issue()
        eve = await office.site.browser(Role.CHECKER, user="eve")
        await eve.get("/approvals")
        form = {"decision": "approve", "message": "seen"}
        pages = await asyncio.gather(*(eve.post(f"/batches/{batch}/decide", form) for _ in range(3)))
        assert [page.status for page in pages] == [303] * 3
        await office.finish_all()
        runs = await office.site.console.runs.of_batch(batch)
    assert [run.action.value for run in runs] == ["approve", "issue"]
