"""Draws every page of the console as people see it: `python -m tests.browser.screenshots`."""

import asyncio
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, Page, expect

from batch_issuer.accounts import Role
from batch_issuer.cli.serve import demo_settings
from batch_issuer.clock import Clock
from batch_issuer.sandbox import Sandbox, Scenario
from batch_issuer.settings import load_settings
from tests.browser.people import Person, open_chromium
from tests.web.site import Site, open_site

ROOT: Final = Path(__file__).parent.parent.parent
PICTURES: Final = ROOT / "docs" / "screenshots"
DESK: Final = {"viewport": {"width": 1200, "height": 800}}
PHONE: Final = {"viewport": {"width": 390, "height": 844}, "has_touch": True}


class Artist:
    """Walks through the console, and draws what there is to see."""

    def __init__(self, site: Site, browser: Browser, folder: Path, *, style: str, window: object) -> None:
        self.site = site
        self.browser = browser
        self.folder = folder
        self.style = style
        self.window = window

    async def enter(self, user: str) -> Person:
        """Sign somebody in."""
        person = await self.visitor()
        await person.sign_in(user)
        return person

    async def visitor(self) -> Person:
        """Open a window."""
        scheme = "dark" if "dark" in self.style else "light"
        options = {**(self.window if isinstance(self.window, dict) else {}), "color_scheme": scheme}
        return await Person.at(self.site.url, self.browser, **options)

    async def draw(self, person: Person, name: str, *, whole: bool = True) -> None:
        """Draw the present page."""
        path = self.folder / f"{name}{self.style}.png"
        await person.page.evaluate("document.fonts.ready.then(() => scrollTo(0, 0))")
        await person.page.screenshot(path=path, full_page=whole)


async def bring_and_plan(artist: Artist, maker: Person, *, then_send: bool) -> None:
    """From the sample to its plan, and on to its batch."""
    page = maker.page
    await maker.open("/uploads")
    await artist.draw(maker, "new-batch")
    await page.get_by_label("Spreadsheet, as CSV, XLSX or Parquet").set_input_files(
        ROOT / "input_templates" / "sample.csv"
    )
    await page.get_by_role("button", name="Upload").click()
    await page.get_by_role("button", name="Check the file").wait_for()
    await artist.draw(maker, "columns")
    await page.get_by_role("button", name="Check the file").click()
    await page.get_by_role("heading", name="What is wrong, and what to do").wait_for()
    await artist.draw(maker, "problems")
    await page.get_by_label("Send only the valid rows").check()
    await page.get_by_role("button", name="Apply").click()
    await page.get_by_role("link", name="To the plan").first.click()
    await page.get_by_role("heading", name="Confirm").wait_for()
    await page.get_by_label("Name of the batch").fill("Spring badges")
    await artist.draw(maker, "plan")
    if then_send:
        await send(artist, maker)


async def send(artist: Artist, maker: Person) -> None:
    """Confirm, and look at the run and its batch."""
    page = maker.page
    told = await page.get_by_text(re.compile(r"^Type [\d,]+ to confirm")).inner_text()
    await page.get_by_label("Number of customers").fill(re.sub(r"\D", "", told))
    await page.get_by_role("button", name="Send it (test)").click()
    await page.wait_for_url(re.compile(r"/(runs|batches)/"))
    await artist.draw(maker, "run")
    await page.wait_for_url(re.compile(r"/batches/"))
    await settled(page)
    await artist.draw(maker, "batch-pending")


async def settled(page: Page) -> None:
    """Wait until nothing of the batch is under way."""
    await expect(page.get_by_role("button", name="Refresh")).to_be_enabled(timeout=60_000)


async def approve(artist: Artist) -> None:
    """Decide as a checker."""
    checker = await artist.enter("ben")
    await checker.open("/approvals")
    await artist.draw(checker, "approvals")
    await checker.page.get_by_label("Why").first.fill("Checked against the list of the campaign.")
    await checker.page.get_by_role("button", name="Approve").first.click()
    await checker.page.wait_for_url(re.compile(r"/batches/"))
    await settled(checker.page)


async def look_around(artist: Artist, maker: Person) -> None:
    """Look at what stands beside the way of a batch."""
    for name, path in (("users", "/users"), ("audit", "/audit"), ("account", "/account"), ("batches", "/")):
        await maker.open(path)
        await artist.draw(maker, name)
    await maker.page.get_by_role("link", name="Spring badges").click()
    await expect(maker.page.get_by_role("heading", name="Some rows failed")).to_be_visible(timeout=60_000)
    await artist.draw(maker, "batch")
    for name in ("Rows", "Requests"):
        await maker.page.get_by_role("link", name=name, exact=True).click()
        await maker.page.locator("tbody tr").first.wait_for()
        await artist.draw(maker, name.lower())


async def draw_all(site: Site, browser: Browser, folder: Path) -> None:
    """Draw each page at a desk, then some on a phone in the dark."""
    desk = Artist(site, browser, folder, style="", window=DESK)
    visitor = await desk.visitor()
    await visitor.open(f"/welcome?code={site.console.welcome_code}")
    await desk.draw(visitor, "welcome")
    await site.add("mara", Role.MAKER, Role.ADMIN)
    await site.add("ben", Role.CHECKER)
    await visitor.open("/sign-in")
    await desk.draw(visitor, "sign-in")
    maker = await desk.enter("mara")
    await desk.draw(maker, "batches-none")
    await bring_and_plan(desk, maker, then_send=True)
    await approve(desk)
    await look_around(desk, maker)
    phone = Artist(site, browser, folder, style="-phone-dark", window=PHONE)
    maker = await phone.enter("mara")
    await look_around(phone, maker)


async def main(folder: Path = PICTURES) -> Sequence[Path]:
    """Draw all pages into a folder, and name the files."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    work = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="batch-issuer-"))
    try:
        scenario = Scenario(seed=3, fail_share=0.1, holder_share=0.03, latency_seconds=0.1)
        async with Sandbox(scenario=scenario) as sandbox, open_chromium() as browser:
            settings = demo_settings(sandbox, load_settings(config=Path(os.devnull), environ={}), work)
            async with open_site(settings, Clock()) as site:
                await draw_all(site, browser, folder)
    finally:
        await asyncio.to_thread(shutil.rmtree, work)
    return await asyncio.to_thread(lambda: sorted(folder.glob("*.png")))


if __name__ == "__main__":
    for picture in asyncio.run(main()):
        sys.stdout.write(f"{picture.relative_to(ROOT)}\n")
