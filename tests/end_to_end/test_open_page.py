"""A page that is open in a real browser while its console is killed catches up when it is started again."""

import os
from collections import Counter
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.people import CHROMIUM, WITHOUT_CHROMIUM
from tests.end_to_end.conftest import Server, Terminal, wait_for_posts
from tests.end_to_end.test_console import CUSTOMERS, Console, killed, settings_of

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT_CHROMIUM),
]
PATIENCE_MS = 60_000


def open_batch(page: Page, console: Console, batch: str) -> None:
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{console.url}/sign-in?next=/batches/{batch}")
    page.get_by_label("User").fill("mia")
    page.get_by_label("Password").fill(console.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Being sent")).to_be_visible()
    page.evaluate("window.isTheSamePage = true")


def test_an_open_page_catches_up_after_its_console_was_killed(
    start_sandbox: Callable[..., Server], terminal: Terminal
) -> None:
    server = start_sandbox("--latency", "0.2", "--decide-after", "0")
    terminal.settings = settings_of(server)
    console = Console(terminal)
    console.add_user("mia", "maker")
    process = console.start()
    made = console.issue(CUSTOMERS)
    wait_for_posts(server, process, 5)
    batch = console.json(f"/api/runs/{made['run']}")["batch"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"] if os.geteuid() == 0 else []
        )
        page = browser.new_page(locale="en-GB")
        open_batch(page, console, batch)
        with killed(process):
            assert server.accepted() < len(CUSTOMERS)
        console.start()
        expect(page.get_by_role("heading", name="Done", exact=True)).to_be_visible(timeout=PATIENCE_MS)
        expect(page.get_by_role("row", name=f"issued {len(CUSTOMERS)} 100.0%")).to_be_visible()
        assert page.evaluate("window.isTheSamePage")
        browser.close()
    assert Counter(server.customers()) == Counter(CUSTOMERS)
