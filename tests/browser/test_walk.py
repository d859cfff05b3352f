"""A batch from its file to its issued badges, as a maker and a checker go through it."""

import re
from pathlib import Path

from playwright.async_api import expect

from batch_issuer.accounts import Role
from tests.browser.conftest import Enter
from tests.browser.files import WITH_MISTAKES, write_text
from tests.browser.people import Person
from tests.pipeline.world import World, read_csv


async def send_valid_rows(maker: Person, file: Path) -> None:
    """Bring a file with mistakes, and send what is right."""
    page = maker.page
    await maker.open("/uploads")
    await page.get_by_label("Spreadsheet, as CSV, XLSX or Parquet").set_input_files(file)
    await page.get_by_role("button", name="Upload").click()
    await page.get_by_role("button", name="Check the file").click()
    await page.get_by_label("Send only the valid rows").check()
    await page.get_by_label("Invalid rows at most").fill("50%")
    await page.get_by_role("button", name="Apply").click()
    await page.get_by_role("link", name="To the plan").first.click()
    await page.get_by_label("Name of the batch").fill("Spring badges")
    await page.get_by_label("Number of customers").fill("4")
    await page.get_by_role("button", name="Send it (test)").click()
    await page.wait_for_url(re.compile(r"/batches/"))


async def outcome(person: Person, word: str, rows: int) -> None:
    """Wait until the page tells so many rows of an outcome, without being loaded again."""
    line = person.page.get_by_role("row").filter(has=person.page.get_by_role("link", name=word, exact=True))
    await expect(line.locator("td.number").first).to_have_text(str(rows))


async def test_a_maker_submits_a_checker_approves_and_the_open_page_shows_it(
    enter: Enter, tmp_path: Path, world: World
) -> None:
    mara, ben = await enter(Role.MAKER, user="mara"), await enter(Role.CHECKER, user="ben")
    await send_valid_rows(mara, write_text(tmp_path, WITH_MISTAKES))
    await expect(mara.page.get_by_role("heading", name="Spring badges")).to_be_visible()
    await outcome(mara, "pending", 4)
    await mara.inspect()

    await ben.page.get_by_role("link", name="Approvals").click()
    await ben.inspect()
    await ben.page.get_by_label("Why").fill("Checked against the list.")
    await ben.page.get_by_role("button", name="Approve all").click()
    await ben.page.get_by_role("link", name="Batches").click()
    await ben.page.get_by_role("link", name="Spring badges").click()
    await outcome(ben, "issued", 4)
    await outcome(mara, "issued", 4)
    await mara.inspect()
    await ben.inspect()

    async with mara.page.expect_download() as downloading:
        await mara.page.get_by_role("link", name="reconciliation.csv").click()
    download = await downloading.value
    assert download.suggested_filename.endswith("-reconciliation.csv")
    lines = read_csv(Path(await download.path()))
    assert [line["outcome"] for line in lines].count("issued") == 4
    assert len(lines) == 7
    assert world.sent_customers() == [700000001, 700000007, 700000003, 700000004]


async def test_rows_are_searched_and_filtered_and_requests_looked_at(enter: Enter, tmp_path: Path) -> None:
    mara = await enter(Role.MAKER, user="mara")
    await send_valid_rows(mara, write_text(tmp_path, WITH_MISTAKES))
    page = mara.page
    await page.get_by_role("link", name="Rows", exact=True).click()
    await expect(page.get_by_role("cell", name="700000003")).to_be_visible()
    await mara.inspect()
    await page.get_by_role("searchbox").fill("700000003")
    await page.get_by_role("searchbox").press("Enter")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await mara.inspect()
    await page.get_by_role("link", name="Requests", exact=True).click()
    await expect(page.locator("tbody tr")).to_have_count(2)
    await mara.inspect()


async def test_a_maker_who_checks_too_cannot_decide_their_own_batch(enter: Enter, tmp_path: Path) -> None:
    both = await enter(Role.MAKER, Role.CHECKER, user="mara")
    await send_valid_rows(both, write_text(tmp_path, WITH_MISTAKES))
    await both.page.get_by_role("link", name="Approvals").first.click()
    await expect(both.page.get_by_text("another checker must decide it")).to_be_visible()
    await expect(both.page.get_by_role("button", name="Approve all")).to_have_count(0)
    await both.inspect()
