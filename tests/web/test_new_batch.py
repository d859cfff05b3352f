"""The whole way of a batch in a browser without scripts: bring, choose, correct, plan, confirm."""

import asyncio
import html
import io
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from batch_issuer.accounts import Role
from batch_issuer.ledger.audit import Entry, list_entries
from batch_issuer.ledger.batches import list_batches
from batch_issuer.ledger.uploads import Correction, find_upload, put_correction
from batch_issuer.web.patience import Patience
from batch_issuer.web.views.uploads import MOST_OPEN
from tests.intake.workbooks import save
from tests.pipeline.world import BADGES, World, customers
from tests.web.site import Browser, Page, Site, open_site

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"


@pytest.fixture
async def maker(site: Site) -> Browser:
    browser = await site.browser(Role.MAKER, user="maria")
    await browser.get("/uploads")
    return browser


async def bring(browser: Browser, content: str | bytes, name: str = "customers.csv", **options: Any) -> Page:
    """Send the form with a file, as a browser does: the token first."""
    form = aiohttp.FormData()
    form.add_field("csrf", browser.last.csrf if browser.last else "")
    data = content.encode() if isinstance(content, str) else content
    form.add_field("file", io.BytesIO(data), filename=name, content_type="application/octet-stream")
    return await browser.send("POST", "/uploads", data=form(), **options)


async def start(browser: Browser, content: str | bytes, name: str = "customers.csv") -> str:
    """Bring a file, and return the address of its pages."""
    page = await bring(browser, content, name)
    assert page.status == 303, page.words
    where = page.to.removesuffix("/columns")
    assert re.fullmatch("/uploads/[0-9a-f]{16}", where)
    await browser.get(page.to)
    return where


async def check(browser: Browser, site: Site, where: str, **chosen: str) -> Page:
    """Take the columns as they were found, unless others are chosen; wait for the check."""
    page = await browser.get(f"{where}/columns")
    fields = {**dict(selected(page)), **chosen}
    sent = await browser.post(f"{where}/columns", fields)
    assert (sent.status, sent.to) == (303, f"{where}/check"), sent.words
    return await after_check(browser, site, where)


async def after_check(browser: Browser, site: Site, where: str) -> Page:
    upload = await site.console.uploads.find(where.rpartition("/")[2], user="maria")
    assert upload is not None
    await site.console.uploads.wait(upload)
    return await browser.get(f"{where}/check")


def selected(page: Page) -> list[tuple[str, str]]:
    """Read which option each menu of a page has."""
    menus = re.findall(r'<select name="(column\.\w+)".*?</select>', page.text, re.DOTALL)
    bodies = re.findall(r'<select name="column\.\w+"(.*?)</select>', page.text, re.DOTALL)
    chosen = [re.search(r'<option value="([^"]*)" selected', body) for body in bodies]
    return [(name, found[1] if found else "") for name, found in zip(menus, chosen, strict=True)]


async def audit(site: Site) -> list[Entry]:
    return await site.console.records.read(list_entries, limit=200)


async def test_a_good_file_goes_all_the_way(site: Site, maker: Browser, world: World) -> None:
    where = await start(maker, customers(7, badges=2))
    plan = await check(maker, site, where)
    assert plan.path == f"{where}/plan"
    assert "customers 7 requests of at most 3 3 approvals to expect 3" in plan.words
    assert "customers.csv test" in plan.words
    confirmed = await maker.post(f"{where}/issue", {"customers": "7", "name": "spring"})
    assert confirmed.status == 303
    run = confirmed.to.removeprefix("/runs/")
    await site.console.runs.wait(run)
    (batch,) = await site.console.records.read(list_batches)
    assert (batch.name, batch.issued_by, batch.input_name, batch.rows) == (
        "spring",
        "maria",
        "customers.csv",
        7,
    )
    assert world.sandbox.posts == 3
    assert (await maker.get(where, follow=False)).to == f"/batches/{batch.batch}"
    assert "Files that are no batch yet None" in (await maker.get("/uploads")).words


async def test_a_double_click_sends_once_and_leads_to_the_same_run(
    site: Site, maker: Browser, world: World
) -> None:
    where = await start(maker, customers(4))
    await check(maker, site, where)
    both = await asyncio.gather(*(maker.post(f"{where}/issue", {"customers": "4"}) for _ in range(2)))
    assert {page.status for page in both} == {303}
    assert len({page.to for page in both}) == 1
    await site.console.runs.wait(both[0].to.removeprefix("/runs/"))
    later = await maker.post(f"{where}/issue", {"customers": "4"})
    assert later.to.startswith("/batches/")
    assert world.sandbox.posts == 2


@pytest.mark.parametrize("typed", ["", "6", "77", "7 customers", "7" * 50, "-7"])
async def test_another_number_confirms_nothing(site: Site, maker: Browser, world: World, typed: str) -> None:
    where = await start(maker, customers(7))
    await check(maker, site, where)
    page = await maker.post(f"{where}/issue", {"customers": typed, "name": "kept name"})
    assert page.status == 422
    assert "number of customers" in page.words
    assert 'value="kept name"' in page.text
    assert world.sandbox.posts == 0


@pytest.mark.parametrize("typed", ["1234", "1,234", "1.234", "1 234", "1\u202f234", "1'234"])
async def test_a_number_may_be_typed_as_people_write_it(site: Site, maker: Browser, typed: str) -> None:
    where = await start(maker, customers(1_234))
    await check(maker, site, where)
    assert (await maker.post(f"{where}/issue", {"customers": typed})).status == 303


async def test_a_bad_file_is_corrected_cell_by_cell(site: Site, maker: Browser) -> None:
    text = f"customer_id,badge_meta_id\n700000001,{BADGES[0]}\n0012345,{BADGES[0]}\nx,{BADGES[0]},oops\n"
    where = await start(maker, text)
    page = await check(maker, site, where)
    assert page.path == f"{where}/problems"
    assert "starts with a zero and may be another customer's id" in page.words
    assert "the row has more fields than the header has columns" in page.words
    for row, position, value in ((3, 0, "12345"), (4, 0, "700000003"), (4, 2, "")):
        fields = {
            "row": str(row),
            "position": str(position),
            "value": value,
            "back": f"{where}/problems?rule=sign",
        }
        saved = await maker.post(f"{where}/cells", fields)
        assert (saved.status, saved.to) == (303, f"{where}/problems?rule=sign#row-{row}")
    page = await maker.get(f"{where}/problems")
    assert "Something was changed since the file was checked" in page.words
    assert "corrected" in page.words
    assert (await maker.get(f"{where}/plan", follow=False)).to == f"{where}/check"
    await maker.post(f"{where}/check")
    plan = await after_check(maker, site, where)
    assert plan.path == f"{where}/plan"
    assert "customers 3" in plan.words


async def test_the_page_of_a_check_tells_how_far_it_is_and_leads_on(site: Site, maker: Browser) -> None:
    where = await start(maker, customers(60_000))
    page = await maker.get(f"{where}/columns")
    await maker.post(f"{where}/columns", dict(selected(page)))
    whole = await maker.get(f"{where}/check", follow=False)
    assert whole.status == 200
    assert "You may leave it: the check goes on without it" in whole.words
    assert '<noscript><meta http-equiv="refresh"' in whole.text
    part = await maker.get(f"{where}/check", headers={"HX-Request": "true"})
    assert part.status == 200
    assert "<html" not in part.text
    assert f'hx-get="{where}/check"' in part.text
    await after_check(maker, site, where)
    over = await maker.get(f"{where}/check", headers={"HX-Request": "true"})
    assert over.headers["HX-Redirect"] == f"{where}/plan"


async def test_a_check_that_failed_says_why_and_can_be_tried_again(
    site: Site, maker: Browser, world: World
) -> None:
    where = await start(maker, customers(3))
    in_the_way = world.output / ".uploads" / where.rpartition("/")[2] / ".problems.arrow.part"
    in_the_way.mkdir()
    page = await check(maker, site, where)
    assert page.path == f"{where}/check"
    assert "can't write to its disk now" in page.words
    assert "refresh" not in page.text
    in_the_way.rmdir()
    await maker.post(f"{where}/check")
    assert (await after_check(maker, site, where)).path == f"{where}/plan"


async def test_what_goes_together_can_be_corrected_together(site: Site, maker: Browser) -> None:
    head = "customer_id,badge_meta_id,owner_type,reference_id,issue_event_date"
    where = await start(maker, f"{head}\n700000001,{BADGES[0]},,gold,\n")
    page = await check(maker, site, where)
    assert 'aria-label="Owner type, row 2"' in page.text
    assert 'aria-label="Reference, row 2"' in page.text
    assert 'aria-label="Customer, row 2"' not in page.text
    await maker.post(f"{where}/cells", {"row": "2", "position": "2", "value": "Loyalty"})
    await maker.post(f"{where}/check")
    assert (await after_check(maker, site, where)).path == f"{where}/plan"


async def test_htmx_gets_the_row_and_whether_to_check_again(site: Site, maker: Browser) -> None:
    where = await start(maker, f"customer_id,badge_meta_id\n0012345,{BADGES[0]}\n")
    await check(maker, site, where)
    fields = {"row": "2", "position": "0", "value": "12345"}
    part = await maker.post(f"{where}/cells", fields, headers={"HX-Request": "true"})
    assert part.status == 200
    assert part.text.lstrip().startswith('<tr id="row-2">')
    assert "<html" not in part.text
    assert 'hx-swap-oob="innerHTML"' in part.text
    assert "Check it again" in part.words
    wrong = await maker.post(f"{where}/cells", {**fields, "position": "7"}, headers={"HX-Request": "true"})
    assert wrong.status == 422
    assert "no such cell" in wrong.words


async def test_only_the_valid_rows_are_sent_where_that_is_chosen(
    site: Site, maker: Browser, world: World
) -> None:
    where = await start(maker, customers(9) + f"x,{BADGES[0]}\n")
    assert (await check(maker, site, where)).path == f"{where}/problems"
    refused = await maker.get(f"{where}/plan")
    assert "Nothing is sent while rows are invalid" in refused.words
    assert "Send it" not in refused.words
    wrong = await maker.post(f"{where}/invalid", {"on_invalid": "skip", "max_invalid": "lots"})
    assert wrong.status == 422
    assert "the limit of invalid rows" in wrong.words
    assert "--" not in wrong.words
    await maker.post(f"{where}/invalid", {"on_invalid": "skip", "max_invalid": "10%"})
    await after_check(maker, site, where)
    confirmed = await maker.post(f"{where}/issue", {"customers": "9"})
    await site.console.runs.wait(confirmed.to.removeprefix("/runs/"))
    assert world.sandbox.posts == 3


async def test_a_workbook_with_odd_headers_is_understood_by_menus(
    site: Site, maker: Browser, tmp_path: Path
) -> None:
    rows: list[list[Any]] = [
        ["Member No", "Award", "Day"],
        [700000001, BADGES[0], date(2026, 3, 8)],
        ["0012", BADGES[0], None],
    ]
    book = await asyncio.to_thread(save(tmp_path / "in.xlsx", rows).read_bytes)
    where = await start(maker, book, name="spring.xlsx")
    page = await maker.get(f"{where}/columns")
    assert "Customer and Badge were not found" in page.words
    assert "700000001" in page.words or "Member No" in page.words
    chosen = {
        "column.customer_id": "Member No",
        "column.badge_meta_id": "Award",
        "column.issue_event_date": "Day",
    }
    page = await check(maker, site, where, **chosen)
    assert page.path == f"{where}/problems"
    again = await start(maker, "Member No,Award\n7," + BADGES[0] + "\n")
    assert "as you or a colleague chose it last time" in (await maker.get(f"{again}/columns")).words


async def test_a_missing_column_is_told_without_options_of_commands(site: Site, maker: Browser) -> None:
    where = await start(maker, f"Member No,badge\n7,{BADGES[0]}\n")
    page = await check(maker, site, where)
    assert page.path == f"{where}/columns"
    assert "Customer was not found. Choose the header of your file that means it." in page.words
    assert "--" not in page.words


async def test_one_of_something_is_told_as_one(site: Site, maker: Browser) -> None:
    rows = [f"700000001,{BADGES[0]}", f"700000001,{BADGES[0]}", f"7e8,{BADGES[0]}"]
    where = await start(maker, "\n".join(["customer_id,badge", *rows]))
    await check(maker, site, where)
    words = (await maker.get(f"{where}/plan")).words
    for told in (
        "1 invalid row is not sent. Look at it",
        "1 row repeats an earlier one, and is not sent again",
    ):
        assert told in words


async def test_an_owner_type_is_offered_where_it_is_wrong(site: Site, maker: Browser) -> None:
    row = f"700000001,{BADGES[0]},Loyality,gold"
    where = await start(maker, f"customer_id,badge,owner_type,reference_id\n{row}\n")
    page = await check(maker, site, where)
    assert 'list="owner-types"' in page.text
    assert '<option value="Loyalty"></option>' in page.text
    assert "use one of the owner types that the cell offers (did you mean Loyalty?)" in page.words
    assert "README" not in page.words


async def test_pasted_cells_go_the_same_way(site: Site, maker: Browser) -> None:
    page = await maker.post("/uploads/pasted", {"cells": f"customer_id\tbadge\r\n700000001\t{BADGES[0]}"})
    where = page.to.removesuffix("/columns")
    await maker.get(page.to)
    assert (await check(maker, site, where)).path == f"{where}/plan"
    assert (await maker.post("/uploads/pasted", {"cells": "  "})).status == 422


async def test_a_value_for_the_whole_file_is_issued(site: Site, maker: Browser, world: World) -> None:
    where = await start(maker, "customer_id\n700000001\n700000002\n")
    plan = await check(maker, site, where, **{"value.badge_meta_id": BADGES[4]})
    assert BADGES[4] in plan.words
    confirmed = await maker.post(f"{where}/issue", {"customers": "2"})
    await site.console.runs.wait(confirmed.to.removeprefix("/runs/"))
    (batch,) = await site.console.records.read(list_batches)
    assert batch.settings["badge_meta_id"] == BADGES[4]
    assert world.sandbox.posts == 1


async def test_content_that_was_issued_before_needs_a_second_thought(
    site: Site, maker: Browser, world: World
) -> None:
    issued = await world.issue(world.write(customers(4)))
    where = await start(maker, customers(4))
    plan = await check(maker, site, where)
    assert f"It is batch {issued.batch.batch}" in plan.words
    assert "Send it" not in plan.words
    await maker.post(f"{where}/again", {"again": "yes"})
    plan = await after_check(maker, site, where)
    assert "Customers get the badge once more" in plan.words
    assert (await maker.post(f"{where}/issue", {"customers": "4"})).status == 303


async def test_a_console_without_settings_to_send_with_says_so_before_anybody_confirms(world: World) -> None:
    bare = world.settings().model_copy(update={"base_url": None, "username": None})
    async with open_site(bare, world.time.clock()) as site:
        maker = await site.browser(Role.MAKER, user="maria")
        where = await start(maker, customers(2))
        await check(maker, site, where)
        plan = await maker.get(f"{where}/plan")
        assert "This console can't send anything yet" in plan.words
        assert "BASE_URL is missing" in plan.words
        assert f"{where}/issue" not in plan.text
        assert (await maker.post(f"{where}/issue", {"customers": "2"})).to == f"{where}/plan"


async def test_rows_are_shown_with_or_without_those_that_are_fine(site: Site, maker: Browser) -> None:
    where = await start(maker, customers(120) + "12.5,nonsense\n")
    await check(maker, site, where)
    wrong = await maker.get(f"{where}/problems")
    assert 'id="row-122"' in wrong.text
    assert 'id="row-2"' not in wrong.text
    numbers: list[int] = []
    page = await maker.get(f"{where}/problems?show=all")
    while True:
        numbers += [int(number) for number in re.findall(r'<tr id="row-(\d+)"', page.text)]
        following = re.search(r'href="([^"]*show=all[^"]*after=\d+)#rows">Next rows', page.text)
        if following is None:
            break
        page = await maker.get(html.unescape(following[1]))
    assert numbers == list(range(2, 123))
    assert "12.5" in page.text
    assert 'aria-invalid="true"' in page.text


async def test_rejects_come_as_an_attachment(site: Site, maker: Browser) -> None:
    where = await start(maker, "customer_id,badge\n=1+1,nonsense\n")
    await check(maker, site, where)
    page = await maker.get(f"{where}/rejects.csv")
    assert page.headers["Content-Disposition"] == 'attachment; filename="rejects.csv"'
    assert page.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert ",'=1+1,nonsense" in page.text


async def test_text_of_files_is_shown_and_never_run(site: Site, maker: Browser) -> None:
    head = f'customer_id,badge_meta_id,"{HOSTILE.replace(chr(34), chr(34) * 2)}"\n'
    cell = f'"{HOSTILE.replace(chr(34), chr(34) * 2)}"'
    where = await start(maker, f"{head}{cell},{cell},{cell},{cell}\n", name=f"{HOSTILE}.csv")
    pages = [
        await maker.get("/uploads"),
        await maker.get(f"{where}/columns"),
        await check(maker, site, where),
    ]
    pages += [await maker.get(f"{where}/problems?text={HOSTILE}&rule={HOSTILE}&column={HOSTILE}")]
    await maker.post(f"{where}/cells", {"row": "2", "position": "0", "value": HOSTILE})
    pages += [await maker.get(f"{where}/problems"), await maker.get(f"{where}/plan")]
    for page in pages:
        assert page.status == 200
        assert "<script>alert" not in page.text
        assert "<img src" not in page.text
    assert ESCAPED in pages[2].text


async def test_names_of_sheets_and_batches_are_shown_and_never_run(
    site: Site, maker: Browser, tmp_path: Path
) -> None:
    def other(book: Any, _: Any) -> None:
        book.add_worksheet("<script>alert(1)")

    book = save(tmp_path / "in.xlsx", [["customer_id", "badge"], [700000001, BADGES[0]]], other)
    where = await start(maker, await asyncio.to_thread(book.read_bytes))
    assert "&lt;script&gt;" in (await maker.get(f"{where}/columns")).text
    plan = await check(maker, site, where)
    assert "<script>alert" not in plan.text
    wrong = await maker.post(f"{where}/issue", {"customers": "9", "name": HOSTILE})
    assert "<script>alert" not in wrong.text
    done = await maker.post(f"{where}/issue", {"customers": "1", "name": HOSTILE})
    await site.console.runs.wait(done.to.removeprefix("/runs/"))
    assert ESCAPED in (await maker.get("/")).text
    assert "<script>alert" not in (await maker.get("/")).text


@pytest.mark.parametrize(
    ("content", "told"),
    [("", "is empty"), ("%PDF-1.7", "is a PDF"), ("\n\na,b", "row 1 is empty")],
)
async def test_what_is_no_spreadsheet_is_refused_in_words(
    site: Site, maker: Browser, world: World, content: str, told: str
) -> None:
    page = await bring(maker, content)
    assert page.status == 422
    assert told in page.words
    part = await bring(maker, content, headers={"HX-Request": "true"})
    assert part.status == 422
    assert "<html" not in part.text
    assert kept(world) == []
    assert [entry.action for entry in await audit(site)][:2] == ["request_refused"] * 2


async def test_a_form_without_a_file_says_so(maker: Browser) -> None:
    assert "Choose a file first" in (await bring(maker, "", name="")).words
    plain = await maker.post("/uploads", {"file": "x"}, headers={})
    assert plain.status == 403  # the token of a form that is streamed must come in the stream


async def test_a_file_from_another_site_is_refused_and_noted(
    site: Site, maker: Browser, world: World
) -> None:
    form = aiohttp.FormData()
    form.add_field("csrf", "0" * 64)
    form.add_field("file", customers(3), filename="evil.csv")
    assert (await maker.send("POST", "/uploads", data=form())).status == 403
    late = aiohttp.FormData()
    late.add_field("file", customers(3), filename="evil.csv")
    late.add_field("csrf", maker.last.csrf if maker.last else "")
    assert (await maker.send("POST", "/uploads", data=late())).status == 403
    crossed = await bring(maker, customers(3), headers={"Origin": "https://evil.example"})
    assert crossed.status == 403
    assert kept(world) == []
    assert [entry.action for entry in await audit(site)][:3] == ["request_refused"] * 3


async def test_an_oversized_file_is_refused_and_noted(world: World) -> None:
    settings = world.settings().model_copy(update={"max_file_bytes": 10_000})
    async with open_site(settings, world.time.clock()) as site:
        maker = await site.browser(Role.MAKER, user="maria")
        await maker.get("/uploads")
        page = await bring(maker, "customer_id\n" + "7" * 20_000)
        assert page.status == 413
        assert "larger than 10,000 bytes" in page.words
        huge = await bring(maker, "7" * 200_000)  # told by its length alone
        assert huge.status == 413
        assert kept(world) == []
        assert [entry.action for entry in await audit(site)][:2] == ["request_refused"] * 2


async def test_a_file_that_stands_still_is_given_up(world: World) -> None:
    async def slow() -> Any:
        yield b"customer_id,badge_meta_id\n"
        await asyncio.Event().wait()

    async with impatient(world, Patience(seconds=0.05)) as site:
        page = await crawl(site, slow)
        assert page.status == 408
        assert "came too slowly" in page.words
        assert kept(world) == []
        assert (await audit(site))[0].detail["why"] == "it came too slowly"


async def test_a_file_that_creeps_is_given_up(world: World) -> None:
    async def creeping() -> Any:
        while True:
            yield b"7"
            await asyncio.sleep(0)

    async with impatient(world, Patience(seconds=0.05, bytes_a_second=10**12)) as site:
        assert (await crawl(site, creeping)).status == 408
        assert kept(world) == []


def impatient(world: World, patience: Patience) -> Any:
    """Open a console that waits only shortly for files."""
    return open_site(world.settings(), world.time.clock(), patience=patience)


async def crawl(site: Site, parts: Callable[[], Any]) -> Page:
    maker = await site.browser(Role.MAKER, user="maria")
    await maker.get("/uploads")
    with aiohttp.MultipartWriter("form-data") as form:
        token = form.append(maker.last.csrf if maker.last else "")
        token.set_content_disposition("form-data", name="csrf")
        file = form.append(parts())
        file.set_content_disposition("form-data", name="file", filename="slow.csv")
        return await maker.send("POST", "/uploads", data=form)


def kept(world: World) -> list[Path]:
    return list((world.output / ".uploads").glob("*"))


async def test_an_upload_is_out_of_reach_for_everybody_else(site: Site, maker: Browser) -> None:
    where = await start(maker, f"customer_id,badge_meta_id\nx,{BADGES[0]}\n")
    await check(maker, site, where)
    other = await site.browser(Role.MAKER, user="other")
    await other.get("/uploads")
    for page in ("", "/columns", "/check", "/problems", "/plan", "/rejects.csv"):
        assert (await other.get(f"{where}{page}")).status == 404, page
    for action in ("/remove", "/columns", "/reading", "/check", "/cells", "/invalid", "/again", "/issue"):
        assert (await other.post(f"{where}{action}", {"customers": "1"})).status == 404, action
    viewer = await site.browser(Role.VIEWER)
    assert (await viewer.get("/uploads")).status == 403
    assert (await viewer.get(where)).status == 403
    assert (await maker.get(f"{where}/problems")).status == 200


@pytest.mark.parametrize(
    "name", ["..", "%2e%2e", "..%2f..%2fledger.db", "0" * 16, "A" * 16, "%00", "....//", "..%5c..%5cx"]
)
async def test_an_id_that_is_none_leads_nowhere(maker: Browser, name: str) -> None:
    for page in ("columns", "rejects.csv", "problems"):
        answer = await maker.get(f"/uploads/{name}/{page}")
        assert answer.status == 404


async def test_returning_leads_to_the_pages_of_the_upload_alone(site: Site, maker: Browser) -> None:
    where = await start(maker, f"customer_id,badge_meta_id\nx,{BADGES[0]}\n")
    await check(maker, site, where)
    for evil in ("//evil.example", "https://evil.example", f"{where}/problems?\r\nSet-Cookie: x=1", "/audit"):
        fields = {"row": "2", "position": "0", "value": "7", "back": evil}
        assert (await maker.post(f"{where}/cells", fields)).to == f"{where}/problems#row-2"


async def test_numbers_that_are_none_do_no_harm(site: Site, maker: Browser) -> None:
    where = await start(maker, f"customer_id,badge_meta_id\nx,{BADGES[0]}\n")
    await check(maker, site, where)
    for after in ("-1", "x", "9" * 40, "٣", "1e9", "%00"):
        assert (await maker.get(f"{where}/problems?after={after}")).status == 200
    for row, position in (("x", "0"), ("2", "x9"), ("9" * 30, "0"), ("-2", "0")):
        fields = {"row": row, "position": position, "value": "7"}
        assert (await maker.post(f"{where}/cells", fields)).status == 422


async def test_everything_a_maker_does_is_in_the_audit_log_without_customers(
    site: Site, maker: Browser
) -> None:
    where = await start(maker, f"customer_id,badge_meta_id\n0099887766,{BADGES[0]}\n")
    await check(maker, site, where)
    await maker.post(f"{where}/cells", {"row": "2", "position": "0", "value": "99887766"})
    await maker.post(f"{where}/check")
    await after_check(maker, site, where)
    await maker.get(f"{where}/rejects.csv")
    await maker.post(f"{where}/issue", {"customers": "1"})
    entries = [entry for entry in reversed(await audit(site)) if entry.user == "maria"]
    assert [entry.action for entry in entries if entry.action != "run_ended"] == [
        *("user_added", "signed_in", "uploaded", "columns_chosen", "cell_corrected", "checked"),
        *("file_downloaded", "issue_confirmed"),
    ][1:]
    assert "99887766" not in repr(entries)
    chosen = next(entry for entry in entries if entry.action == "columns_chosen")
    assert chosen.detail["values"] == []  # none was given for the whole file


async def test_a_removed_file_is_gone(maker: Browser, world: World) -> None:
    where = await start(maker, customers(3))
    assert (await maker.post(f"{where}/remove")).to == "/uploads"
    assert kept(world) == []
    assert (await maker.get(where)).status == 404


async def test_a_user_has_only_so_many_open_files(site: Site, maker: Browser) -> None:
    for _ in range(MOST_OPEN):
        await site.console.uploads.paste(f"customer_id,badge\n1,{BADGES[0]}\n", user="maria")
    assert "remove some of them" in (await bring(maker, customers(2))).words
    assert "remove some of them" in (await maker.post("/uploads/pasted", {"cells": customers(2)})).words


async def test_the_audit_log_tells_what_was_decided_of_a_file_besides_its_columns(
    site: Site, maker: Browser
) -> None:
    where = await start(maker, customers(2))
    await check(maker, site, where)
    for form, fields in (
        ("reading", {"encoding": "utf-8"}),
        ("invalid", {"on_invalid": "skip", "max_invalid": "25%"}),
        ("again", {"again": "yes"}),
    ):
        assert (await maker.post(f"{where}/{form}", fields)).status == 303
    upload = where.rpartition("/")[2]
    entries = await site.console.records.read(list_entries, user="maria", about=upload)
    assert [(entry.action.value, entry.detail) for entry in entries[:3]] == [
        ("checked", {"again": True}),
        ("checked", {"on_invalid": "skip", "max_invalid": "25%"}),
        ("columns_chosen", {"sheet": "", "encoding": "utf-8", "delimiter": ""}),
    ]


async def test_what_is_corrected_while_a_batch_is_confirmed_is_not_sent_unchecked(
    site: Site, maker: Browser
) -> None:
    where = await start(maker, f"customer_id,badge_meta_id\n700000001,{BADGES[0]}\n70000000x,{BADGES[0]}\n")
    await check(maker, site, where)
    await maker.post(f"{where}/invalid", {"on_invalid": "skip", "max_invalid": "50%"})
    await after_check(maker, site, where)
    records, name = site.console.records, where.rpartition("/")[2]
    upload = await records.read(find_upload, name)
    assert upload is not None
    async with site.console.uploads.alone(upload):  # as another tab does
        fields = {"customers": "1", "name": "spring"}
        confirming = asyncio.create_task(maker.post(f"{where}/issue", fields))
        while upload is None or upload.options["name"] != "spring":
            upload = await records.read(find_upload, name)
        correction = Correction(row=3, position=0, value="700000002")
        await records.write(put_correction, name, correction, upload.created_at)
    assert (await confirming).to == f"{where}/plan"
    assert not await site.console.runs.list_open()
    assert not await records.read(list_batches)
