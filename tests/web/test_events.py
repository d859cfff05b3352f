"""Open pages follow a run: at once, the latest only, from one reading for all, and again after a break."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from batch_issuer.accounts import Role
from batch_issuer.errors import LedgerUnavailable
from batch_issuer.web.events import Hub, News, Tempo
from batch_issuer.web.serving import listening
from tests.pipeline.world import customers
from tests.web.batches import open_office
from tests.web.site import Browser


@dataclass(slots=True, kw_only=True)
class Stream:
    """What a page hears."""

    answer: aiohttp.ClientResponse
    told: dict[str, str] = field(default_factory=dict)

    async def next(self) -> tuple[str, str]:
        """Wait for the next event; what only shows that the stream lives is left out."""
        name, data = "", list[str]()
        while line := (await self.answer.content.readline()).decode():
            text = line.rstrip("\n")
            if text.startswith("event: "):
                name = text.removeprefix("event: ")
            elif text.startswith("data: "):
                data.append(text.removeprefix("data: "))
            elif not text and name:
                self.told[name] = "\n".join(data)
                return name, self.told[name]
        return "", ""

    async def until(self, name: str, words: str) -> str:
        """Wait until an event says something."""
        while words not in self.told.get(name, ""):
            assert await self.next() != ("", ""), f"the stream ended without {words!r}: {self.told}"
        return self.told[name]


@asynccontextmanager
async def listen(browser: Browser, path: str) -> AsyncIterator[Stream]:
    async with browser.http.get(f"{browser.site}{path}") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/event-stream"
        yield Stream(answer=answer)


async def test_a_page_that_is_open_follows_a_run_to_its_end(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        run = await office.begin(customers(30))
        browser = await office.site.browser(Role.VIEWER)
        async with listen(browser, f"/runs/{run.run}/events") as stream:
            await stream.until("progress", "The batch is recorded.")
        found = await office.site.console.runs.find(run.run)
        assert found is not None
        async with listen(browser, f"/batches/{found.batch}/events?seen=x") as stream:
            figures = await stream.until("figures", '<data class="number" value="30">30</data>')
            assert "pending" in figures
            await stream.until("spoken", "Waits for approval")
            await stream.until("changed", run.run)


async def test_a_page_hears_what_happens_later(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        batch = await office.issue(customers(7))
        eve = await office.site.browser(Role.CHECKER, user="eve")
        async with listen(eve, f"/batches/{batch}/events") as stream:
            await stream.until("spoken", "Waits for approval")
            await eve.get("/approvals")
            await eve.post(f"/batches/{batch}/decide", {"decision": "approve", "message": "seen"})
            await stream.until("spoken", "Done")
            await stream.until("figures", "fill-issued")


async def test_what_a_page_shows_already_is_not_told_again(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        batch = await office.issue(customers(7))
        browser = await office.site.browser(Role.VIEWER)
        page = await browser.get(f"/batches/{batch}")
        address = page.text.partition('sse-connect="')[2].partition('"')[0].replace("&amp;", "&")
        async with listen(browser, address) as stream:
            await stream.until("spoken", "Waits")
            assert "changed" not in stream.told


async def test_streams_end_at_once_when_the_console_closes(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        batch = await office.issue(customers(7))
        browser = await office.site.browser(Role.VIEWER)
        async with listen(browser, f"/batches/{batch}/events") as stream:
            await stream.until("spoken", "Waits")
            office.site.stopping.set()
            async with asyncio.timeout(5):
                while await stream.next() != ("", ""):
                    pass


async def test_who_is_not_signed_in_hears_nothing(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        batch = await office.issue(customers(7))
        stranger = await office.site.browser()
        page = await stranger.get(f"/batches/{batch}/events", follow=False)
        assert page.status == 303
        assert "spoken" not in page.text


async def test_one_user_does_not_take_the_places_of_all(tmp_path: Path) -> None:
    async with (
        open_office(tmp_path) as office,
        listening(office.site.console, asyncio.Event(), hub=Hub(most_of_one=2)) as url,
    ):
        path = f"/batches/{await office.issue(customers(7))}/events"
        greedy, other = await office.site.browser(Role.VIEWER), await office.site.browser(Role.VIEWER)
        greedy.site = other.site = url
        async with listen(greedy, path), listen(greedy, path):
            assert (await greedy.get(path)).status == 503
            async with listen(other, path) as stream:
                await stream.until("spoken", "Waits")


class Source:
    """Something to watch that counts how often it is read."""

    def __init__(self) -> None:
        self.reads = 0
        self.value = "a"
        self.is_away = False
        self.was_read = asyncio.Event()

    async def read(self) -> News:
        self.reads += 1
        self.was_read.set()
        if self.is_away:
            raise LedgerUnavailable("away")
        return News(events={"value": self.value}, pause_seconds=3_600)


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_fifty_pages_share_one_reading() -> None:
    hub, source = Hub(), Source()
    listeners = [hub.join("it", source.read, {}) for _ in range(50)]
    await turns()
    assert source.reads == 1
    assert [listener.take() for listener in listeners] == [{"value": "a"}] * 50
    late = hub.join("it", source.read, {})
    assert late.take() == {"value": "a"}
    assert source.reads == 1
    for listener in [*listeners, late]:
        hub.leave("it", listener)
    assert hub.watchers == 0
    await turns()
    hub.look_now("it")
    await turns()
    assert source.reads == 1


async def test_who_listens_slowly_gets_the_latest_and_holds_nobody_up() -> None:
    hub, source = Hub(), Source()
    slow, fast = hub.join("it", source.read, {}), hub.join("it", source.read, {})
    heard = []
    for value in "abcdef":
        source.value = value
        hub.look_now("it")
        await turns()
        heard.append(fast.take())
    assert heard == [{"value": value} for value in "abcdef"]
    assert slow.take() == {"value": "f"}
    assert slow.take() == {}
    await hub.close()


async def test_a_ledger_that_is_away_for_a_while_ends_no_stream(caplog: pytest.LogCaptureFixture) -> None:
    hub, source = Hub(), Source()
    source.is_away = True
    listener = hub.join("it", source.read, {})
    await turns()
    assert listener.take() == {}
    assert "what is watched can't be read" in caplog.text
    source.is_away = False
    hub.look_now("it")
    await turns()
    assert listener.take() == {"value": "a"}
    await hub.close()


async def test_a_stream_lives_while_nothing_happens_and_ends_so_that_the_page_asks_anew(
    tmp_path: Path,
) -> None:
    async with open_office(tmp_path) as office:
        batch = await office.issue(customers(7))
        browser = await office.site.browser(Role.VIEWER)
        tempo = Tempo(heartbeat_seconds=0.01, longest_seconds=0.3)
        async with (
            listening(office.site.console, asyncio.Event(), hub=Hub(tempo)) as url,
            browser.http.get(f"{url}/batches/{batch}/events") as answer,
        ):
            text = (await answer.read()).decode()
    assert text.startswith("retry: 2000\n\n")
    assert text.count(": still here") > 3
