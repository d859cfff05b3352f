"""From a file to a confirmed batch, by a real browser: as people do it, and clean on every page."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from batch_issuer.accounts import Role
from tests.browser.conftest import Enter
from tests.browser.people import Person
from tests.intake.workbooks import save
from tests.pipeline.world import BADGES, World, customers
from tests.web.site import Site

BAD = (
    f"customer_id,badge_meta_id,owner_type,reference_id\n700000001,{BADGES[0]},,\n0012345,{BADGES[0]},,\n"
    f"700000002,{BADGES[0]},Loyality,gold\n700000003,{BADGES[0]},,,surplus\n"
)


async def choose_file(person: Person, path: Path) -> None:
    await person.open("/uploads")
    await person.page.get_by_label("Spreadsheet, as CSV, XLSX or Parquet").set_input_files(path)
    await person.page.get_by_role("button", name="Upload").click()
    await person.page.wait_for_url("**/columns")


async def press(person: Person, name: str) -> None:
    await person.page.get_by_role("button", name=name).click()


async def test_a_workbook_goes_all_the_way(site: Site, enter: Enter, world: World) -> None:
    maker = await enter(Role.MAKER)
    await maker.open("/uploads")
    await maker.inspect()
    rows: list[list[object]] = [
        ["customer_id", "badge_meta_id"],
        *([700000001 + n, BADGES[0]] for n in range(5)),
    ]
    await choose_file(maker, save(world.folder / "spring.xlsx", rows))
    await maker.inspect()
    await press(maker, "Check the file")
    await maker.page.wait_for_url("**/plan")
    await maker.inspect()
    await expect(maker.page.get_by_text("test", exact=True).first).to_be_visible()
    await maker.page.get_by_label("Number of customers").fill("4")
    maker.refusals = {422}
    await press(maker, "Send it (test)")
    await expect(maker.page.get_by_role("alert")).to_contain_text("Nothing was sent")
    await maker.inspect()
    await maker.page.get_by_label("Number of customers").fill("5")
    await press(maker, "Send it (test)")
    await maker.page.wait_for_url("**/runs/*")
    await site.console.runs.wait(maker.page.url.rpartition("/")[2])
    assert world.sandbox.posts == 2


async def test_a_bad_file_is_corrected_on_the_page(enter: Enter, world: World) -> None:
    maker = await enter(Role.MAKER)
    await choose_file(maker, world.write(BAD))
    await press(maker, "Check the file")
    await maker.page.wait_for_url("**/problems")
    await maker.inspect()
    await maker.page.get_by_label("Customer, row 3").fill("12345")
    await maker.page.keyboard.press("Enter")
    await expect(maker.page.get_by_text("Check it again, so that the findings are true.")).to_be_visible()
    await expect(maker.page.locator("#row-3")).to_contain_text("corrected")
    await maker.page.get_by_label("Owner type, row 4").fill("Loyalty")
    await maker.page.keyboard.press("Enter")
    await expect(maker.page.locator("#row-4")).to_contain_text("corrected")
    await maker.page.get_by_label("cell 5, row 5").fill("")
    await maker.page.keyboard.press("Enter")
    await expect(maker.page.locator("#row-5")).to_contain_text("corrected")
    await maker.inspect()
    await press(maker, "Check again")
    await maker.page.wait_for_url("**/plan")
    await expect(maker.page.get_by_label("Number of customers")).to_be_visible()


async def test_a_file_is_dropped(enter: Enter) -> None:
    maker = await enter(Role.MAKER)
    await maker.open("/uploads")
    await maker.page.evaluate(
        """(text) => {
          const data = new DataTransfer();
          data.items.add(new File([text], "dropped.csv", {type: "text/csv"}));
          document.querySelector(".drop").dispatchEvent(
            new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
        }""",
        customers(3),
    )
    await maker.page.wait_for_url("**/columns")
    await expect(maker.page.get_by_role("heading", name="dropped.csv")).to_be_visible()


async def test_the_keyboard_stays_at_the_cell_that_was_saved(enter: Enter, world: World) -> None:
    maker = await enter(Role.MAKER)
    await choose_file(maker, world.write(BAD))
    await press(maker, "Check the file")
    row = maker.page.locator("#row-3")
    cell, save = row.get_by_label("Customer, row 3"), row.get_by_role("button", name="Save")
    await cell.fill("12345")
    await save.focus()
    await maker.page.keyboard.press("Enter")
    await expect(row).to_contain_text("corrected")
    await expect(save).to_be_focused()
    await maker.page.keyboard.press("Tab")
    await expect(row.get_by_role("button", name="Undo")).to_be_focused()
    await maker.page.keyboard.press("Enter")
    await expect(row).not_to_contain_text("corrected")
    await expect(cell).to_be_focused()


@pytest.mark.parametrize("width", [360, 768, 1200])
async def test_a_long_name_breaks_no_page(enter: Enter, world: World, width: int) -> None:
    maker = await enter(Role.MAKER, viewport={"width": width, "height": 800})
    await choose_file(maker, world.write(BAD, f"{'N' * 190}.csv"))
    too_wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await maker.page.evaluate(too_wide) == 0
    await press(maker, "Check the file")
    await maker.page.wait_for_url("**/problems")
    assert await maker.page.evaluate(too_wide) == 0
    await maker.inspect()


async def test_what_is_no_spreadsheet_is_told_on_the_page(enter: Enter, world: World) -> None:
    maker = await enter(Role.MAKER)
    maker.refusals = {422}
    await maker.open("/uploads")
    await maker.page.get_by_label("Spreadsheet, as CSV, XLSX or Parquet").set_input_files(
        world.write("%PDF-1.7", "x.csv")
    )
    await press(maker, "Upload")
    await expect(maker.page.get_by_role("alert")).to_contain_text("is a PDF, not a spreadsheet")
    await maker.inspect()
    await expect(maker.page.get_by_role("button", name="Upload")).to_be_enabled()


async def test_without_scripts_the_forms_do_the_same(enter: Enter, world: World) -> None:
    maker = await enter(Role.MAKER, java_script_enabled=False)
    await choose_file(maker, world.write(BAD))
    await press(maker, "Check the file")
    await maker.page.wait_for_url("**/problems")
    await maker.page.get_by_label("Customer, row 3").fill("12345")
    await maker.page.locator("#row-3").get_by_role("button", name="Save").click()
    await expect(maker.page.locator("#row-3")).to_contain_text("corrected")


async def test_the_keyboard_alone_brings_pasted_cells(enter: Enter) -> None:
    maker = await enter(Role.MAKER)
    await maker.open("/uploads")
    await maker.page.get_by_label("Cells of a spreadsheet").focus()
    await maker.page.keyboard.insert_text(f"customer_id\tbadge\n700000001\t{BADGES[0]}")
    await maker.page.keyboard.press("Tab")
    await maker.page.keyboard.press("Enter")
    await maker.page.wait_for_url("**/columns")
    await maker.inspect()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_pages_are_readable_on_a_phone(enter: Enter, world: World, scheme: str) -> None:
    maker = await enter(Role.MAKER, viewport={"width": 360, "height": 740}, color_scheme=scheme)
    await choose_file(maker, world.write(BAD))
    await maker.inspect()
    await press(maker, "Check the file")
    await maker.page.wait_for_url("**/problems")
    await maker.inspect()
    wide = await maker.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0
