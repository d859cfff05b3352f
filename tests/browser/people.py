"""People at a real browser: each has a window of their own, and a page that must stay clean."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, async_playwright

from tests.web.site import PASSWORD

CHROMIUM: Final = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
WITHOUT_CHROMIUM: Final = "needs a Chromium (Debian package chromium)"
_PATIENCE: Final = 20_000
_RULES: Final = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@asynccontextmanager
async def open_chromium() -> AsyncIterator[Browser]:
    """Start a Chromium of our own, without a window."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox"] if os.geteuid() == 0 else [],  # root has no sandbox to use
        )
        try:
            yield browser
        finally:
            await browser.close()


@dataclass(kw_only=True)  # no slots: Playwright hangs notes on who listens
class Person:
    """Somebody who uses the console, and what their browser complained of."""

    site: str
    page: Page
    complaints: list[str] = field(default_factory=list)
    refusals: set[int] = field(default_factory=set)
    """Statuses that are part of the story, so that the browser's note of them is no complaint."""

    @classmethod
    async def at(cls, site: str, browser: Browser, **options: Any) -> "Person":
        """Open a window of their own."""
        context: BrowserContext = await browser.new_context(**{"locale": "en-GB", **options})
        page = await context.new_page()
        page.set_default_timeout(_PATIENCE)
        person = cls(site=site, page=page)
        page.on("console", person.hear)
        page.on("pageerror", lambda error: person.complaints.append(f"script: {error}"))
        page.on("request", person.see)
        return person

    def hear(self, message: ConsoleMessage) -> None:
        """Keep what the browser complains of."""
        expected = any(f"status of {status} " in message.text for status in self.refusals)
        if message.type in {"error", "warning"} and not expected:
            self.complaints.append(f"{message.type}: {message.text}")

    def see(self, request: Request) -> None:
        """Keep what is asked of anybody but the console."""
        if not request.url.startswith((self.site, "data:", "blob:", "about:")):
            self.complaints.append(f"asks elsewhere: {request.url}")

    async def open(self, path: str) -> None:
        """Open a page by its address."""
        await self.page.goto(f"{self.site}{path}")

    async def sign_in(self, user: str, password: str = PASSWORD) -> None:
        """Sign in as people do."""
        await self.open("/sign-in")
        await self.page.get_by_label("User").fill(user)
        await self.page.get_by_label("Password").fill(password)
        await self.page.get_by_role("button", name="Sign in").click()
        await self.page.wait_for_url(f"{self.site}/")

    async def inspect(self) -> None:
        """Look at the present page as axe-core does, and for what the browser complained of so far.

        It fails on each violation, also of the advice that is no rule of WCAG.
        """
        found = await Axe().run(self.page, options={**_RULES, "resultTypes": ["violations"]})
        wrong = [
            f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}"
            for one in found.response["violations"]
        ]
        assert not wrong, f"{self.page.url}: {wrong}"
        assert not self.complaints, self.complaints
