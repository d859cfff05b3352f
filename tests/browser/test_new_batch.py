"""From a file to a batch, as a maker does it in a browser."""

import re
from pathlib import Path

from playwright.async_api import expect

from batch_issuer.accounts import Role
from tests.browser.conftest import Enter
from tests.browser.files import GOOD, WITH_MISTAKES, write_text, write_workbook
from tests.browser.people import Person
from tests.pipeline.world import BADGES, World


async def bring(person: Person, file: Path) -> None:
    """Upload a file, and wait for what comes next."""
    await person.open("/uploads")
    await person.page.get_by_label("Spreadsheet, as CSV or XLSX").set_input_files(file)
    await person.page.get_by_role("button", name="Upload").click()


async def heading(person: Person, name: str) -> None:
    """Wait for a heading."""
    await expect(person.page.get_by_role("heading", name=name, exact=True)).to_be_visible()


async def test_a_file_with_mistakes_is_corrected_and_sent(enter: Enter, tmp_path: Path, world: World) -> None:
    mara = await enter(Role.MAKER, user="mara")
    mara.refusals = {422}
    page = mara.page
    await bring(mara, write_text(tmp_path, WITH_MISTAKES))
    await expect(page.get_by_text("Every column that is needed was found.")).to_be_visible()
    await mara.inspect()

    await page.get_by_role("button", name="Check the file").click()
    await heading(mara, "What is wrong, and what to do")
    await mara.inspect()
    cell = page.get_by_role("textbox", name="row 3")
    await cell.fill("700000002")
    await cell.press("Enter")
    await expect(page.get_by_text("corrected", exact=True)).to_be_visible()
    await expect(page.get_by_text("Something was changed since the file was checked.")).to_be_visible()
    await mara.inspect()
    await page.get_by_role("button", name="Check again").click()
    await expect(page.get_by_text("row 3")).to_have_count(0)

    await page.get_by_label("Send only the valid rows").check()
    await page.get_by_label("Invalid rows at most").fill("1")
    await page.get_by_role("button", name="Apply").click()
    await page.get_by_role("link", name="To the plan").first.click()
    await heading(mara, "What would be sent")
    await mara.inspect()
    await page.get_by_label("Name of the batch").fill("Spring badges")
    await page.get_by_label("Number of customers").fill("4")
    await page.get_by_role("button", name="Send it (test)").click()
    await expect(page.get_by_role("alert").first).to_contain_text("Nothing was sent")
    await mara.inspect()
    await page.get_by_label("Number of customers").fill("5")
    await page.get_by_role("button", name="Send it (test)").click()
    await page.wait_for_url(re.compile(r"/(runs|batches)/"))
    await heading(mara, "Spring badges")
    assert sorted(world.sent_customers()) == [700000001 + n for n in (0, 1, 2, 3, 6)]


async def test_a_workbook_with_headers_of_its_own_is_understood_the_second_time(
    enter: Enter, tmp_path: Path
) -> None:
    mara = await enter(Role.MAKER, user="mara")
    page = mara.page
    rows = [["Member", "Medal"], *([700_000_100 + n, BADGES[0]] for n in range(4))]
    await bring(mara, write_workbook(tmp_path, rows))
    await expect(page.get_by_text("Some columns were not found.")).to_be_visible()
    await mara.inspect()
    await page.get_by_label("Header for Customer").select_option("Member")
    await page.get_by_label("Header for Badge").select_option("Medal")
    await page.get_by_role("button", name="Check the file").click()
    await heading(mara, "What would be sent")
    rows = [["Member", "Medal"], *([700_000_200 + n, BADGES[0]] for n in range(4))]
    await bring(mara, write_workbook(tmp_path, rows, "summer.xlsx"))
    await expect(page.get_by_text("Every column that is needed was found.")).to_be_visible()
    await expect(page.get_by_text("as you or a colleague chose it last time")).to_have_count(2)


async def test_cells_are_pasted_and_the_keyboard_is_enough(enter: Enter) -> None:
    mara = await enter(Role.MAKER, user="mara")
    await mara.open("/uploads")
    keys = mara.page.keyboard
    await mara.page.get_by_label("Cells of a spreadsheet").focus()
    await keys.insert_text(GOOD.replace(",", "\t"))
    await keys.press("Tab")
    await keys.press("Enter")
    await expect(mara.page.get_by_text("Every column that is needed was found.")).to_be_visible()
    await mara.page.get_by_role("button", name="Check the file").focus()
    await keys.press("Enter")
    await heading(mara, "What would be sent")
    await mara.page.get_by_label("Number of customers").focus()
    await keys.type("9")
    await keys.press("Enter")
    await mara.page.wait_for_url(re.compile(r"/(runs|batches)/"))


async def test_what_is_no_spreadsheet_is_refused_in_plain_words(enter: Enter, tmp_path: Path) -> None:
    mara = await enter(Role.MAKER, user="mara")
    mara.refusals = {413, 415, 422, 400}
    for name, content in (("photo.xlsx", b"\x89PNG\r\n\x1a\n" + b"\0" * 64), ("empty.csv", b"")):
        path = tmp_path / name
        path.write_bytes(content)
        await bring(mara, path)
        await expect(mara.page.get_by_role("alert")).to_be_visible()
        await mara.inspect()
    await expect(mara.page.get_by_text("None. What you bring stays here")).to_be_visible()


async def test_the_way_through_fits_on_a_phone_and_reads_well_in_the_dark(
    enter: Enter, tmp_path: Path
) -> None:
    phone = {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark", "has_touch": True}
    mara = await enter(Role.MAKER, user="mara", **phone)
    await bring(mara, write_text(tmp_path, WITH_MISTAKES))
    for button, until in ((None, "Columns"), ("Check the file", "What is wrong, and what to do")):
        if button:
            await mara.page.get_by_role("button", name=button).click()
            await heading(mara, until)
        else:
            await expect(mara.page.get_by_text("Every column that is needed was found.")).to_be_visible()
        await mara.inspect()
        wider = await mara.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wider <= 0, until
