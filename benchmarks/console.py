"""A run that people watch: how soon their pages tell what is new, and what watching costs the run."""

import asyncio
import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import aiohttp
from playwright.async_api import Page, async_playwright

from benchmarks.data import write_customers
from benchmarks.figures import Figure, Goal
from benchmarks.server import running_server
from benchmarks.stage import COMMAND, environment, run, settings_for

_STREAMS: Final = 50
_LATENCY_SECONDS: Final = 0.1
_POLL_SECONDS: Final = 0.02
_PATIENCE_SECONDS: Final = 600.0
_CHROMIUMS: Final = ("chromium", "chromium-browser", "google-chrome")
_USER: Final = "watcher"
_PASSWORD: Final = "a password for a benchmark"  # noqa: S105 - of an account that lives for minutes
_OBSERVE: Final = """() => {
  window.seen = [];
  const figures = document.querySelector("[sse-swap=figures]");
  new MutationObserver(() => {
    const bar = figures.querySelector("progress[value]");
    if (bar) window.seen.push([performance.timeOrigin + performance.now(), bar.value]);
  }).observe(figures, { childList: true, subtree: true });
}"""


@dataclass(slots=True, kw_only=True)
class Served:
    """A console in a process of its own, and what its log tells."""

    url: str
    token: str
    sent: list[float] = field(default_factory=list)
    """Seconds that sending took, one for each run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What those who watched a run saw."""

    gaps: Sequence[float]
    """Seconds between two updates of the browser's page while requests went out."""
    behind: Sequence[float]
    """Seconds by which the last stream got an update behind the first, for each update."""


def measure(rows: int, rounds: int, folder: Path) -> Iterator[Figure]:
    """Measure runs with nobody and with many watching, in turns; then how fresh what they saw was."""
    for name, latency, concurrency, goal in (
        (f"at {_LATENCY_SECONDS:g} s an answer", _LATENCY_SECONDS, 8, Goal(bound=1.05)),
        ("as fast as both cores can", 0.0, 64, None),
    ):
        work = folder / str(concurrency)
        work.mkdir()
        with (
            running_server("--latency", str(latency)) as api,
            _serving(api, work, concurrency=concurrency) as served,
        ):
            alone, watched, seen = run(_in_turns(served, rows, rounds, work))
        yield Figure(
            name=f"send {rows:,} rows by the console, {name}, {_STREAMS} streams and a browser watching",
            ours=watched,
            against="nobody watching",
            other=alone,
            goal=goal,
        )
        if goal is None:  # it is over before a page has told much
            continue
        yield Figure(
            name=f"longest time between two updates of the browser's page, {name}",
            ours=[max(one.gaps, default=0.001) for one in seen],
            goal=Goal(bound=1.0),
        )
        yield Figure(
            name=f"longest delay of the last of {_STREAMS} streams behind the first, {name}",
            ours=[max(one.behind, default=0.001) for one in seen],
            goal=Goal(bound=1.0),
        )


async def _in_turns(
    served: Served, rows: int, rounds: int, folder: Path
) -> tuple[list[float], list[float], list[Watched]]:
    alone: list[float] = []
    watched: list[float] = []
    seen: list[Watched] = []
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(
            aiohttp.ClientSession(
                headers={"Authorization": f"Bearer {served.token}"}, connector=aiohttp.TCPConnector(limit=0)
            )
        )
        page, cookies = await _signed_in_page(stack, served)
        for number in range(2 * rounds):
            file = folder / f"{number}.csv"
            write_customers(file, rows, first=1 + number * rows)
            if number % 2:
                seen.append(await _run_watched(http, served, file, page, cookies))
                watched.append(served.sent[number])
            else:
                await _finished(http, served, await _start(http, served, file), number + 1)
                alone.append(served.sent[number])
    return alone, watched, seen


async def _start(http: aiohttp.ClientSession, served: Served, file: Path) -> dict[str, Any]:
    """Create a batch by the API, and return its run once the batch is known."""
    content = await asyncio.to_thread(file.read_bytes)
    options = {"data": content, "headers": {"Content-Type": "text/csv"}}
    async with http.post(f"{served.url}/api/batches", **options) as answer:  # type: ignore[arg-type]  # as they are
        made: dict[str, Any] = await answer.json()
        answer.raise_for_status()
    return await _until(
        http, served, made["run"], lambda told: bool(told["batch"]) or told["state"] == "ended"
    )


async def _finished(http: aiohttp.ClientSession, served: Served, made: dict[str, Any], runs: int) -> None:
    """Wait until a run has ended, and the log has told how long the `runs`-th sending took."""
    told = await _until(http, served, made["run"], lambda told: told["state"] == "ended")
    if told["exit_code"]:
        raise RuntimeError(f"the run ended with {told['exit_code']}: {told['message']}")
    while len(served.sent) < runs:  # noqa: ASYNC110 - another thread reads the log
        await asyncio.sleep(_POLL_SECONDS)


async def _until(
    http: aiohttp.ClientSession, served: Served, name: str, is_so: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until:
        async with http.get(f"{served.url}/api/runs/{name}") as answer:
            told: dict[str, Any] = await answer.json()
        if is_so(told):
            return told
        await asyncio.sleep(_POLL_SECONDS)
    raise TimeoutError(name)


async def _run_watched(
    http: aiohttp.ClientSession, served: Served, file: Path, page: Page, cookies: dict[str, str]
) -> Watched:
    """Run a file while a browser and many streams watch."""
    runs = len(served.sent) + 1
    made = await _start(http, served, file)
    address = f"{served.url}/batches/{made['batch']}"
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(cookies=cookies, connector=connector) as streams:
        heard: list[dict[str, float]] = [{} for _ in range(_STREAMS)]
        listening = [
            asyncio.create_task(_listen(streams, f"{address}/events", into), name=f"stream {number}")
            for number, into in enumerate(heard)
        ]
        await page.goto(address)
        await page.evaluate(_OBSERVE)
        await _finished(http, served, made, runs)
        await asyncio.sleep(1)  # what came last is told
        for task in listening:
            task.cancel()
        await asyncio.wait(listening)
    shown: list[tuple[float, float]] = await page.evaluate("window.seen")
    times = [at / 1000 for at, _ in shown]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    return Watched(gaps=gaps, behind=_behind(heard))


def _behind(heard: Sequence[dict[str, float]]) -> list[float]:
    """Return for each update that all streams got how far the last was behind the first."""
    common = set(heard[0]).intersection(*heard[1:])
    return [max(one[key] for one in heard) - min(one[key] for one in heard) for key in common]


async def _listen(http: aiohttp.ClientSession, address: str, heard: dict[str, float]) -> None:
    """Note when each update of the figures came."""
    timeout = aiohttp.ClientTimeout(total=None)
    async with http.get(address, timeout=timeout) as answer:
        answer.raise_for_status()
        async for line in answer.content:
            found = re.search(rb'value="(\d+)"></progress>', line)
            if found:
                heard.setdefault(found[1].decode(), time.monotonic())


async def _signed_in_page(stack: AsyncExitStack, served: Served) -> tuple[Page, dict[str, str]]:
    """Open a browser, and sign in."""
    playwright = await stack.enter_async_context(async_playwright())
    browser = await playwright.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
    stack.push_async_callback(browser.close)
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(f"{served.url}/sign-in")
    await page.get_by_label("User").fill(_USER)
    await page.get_by_label("Password").fill(_PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(f"{served.url}/")
    return page, {cookie["name"]: cookie["value"] for cookie in await context.cookies()}


def _chromium() -> str | None:
    """Return the system's Chromium, or None for Playwright's own."""
    return next((found for name in _CHROMIUMS if (found := shutil.which(name))), None)


@contextmanager
def _serving(api: str, folder: Path, *, concurrency: int) -> Iterator[Served]:
    """Serve the console with an account and a token, in a process of its own."""
    given = environment(settings_for(api, folder / "output", rate=0, concurrency=concurrency))

    def command(*arguments: str, typed: str = "") -> str:
        done = subprocess.run(
            [*COMMAND, *arguments], env=given, input=typed, capture_output=True, text=True, check=True
        )
        return done.stdout

    command("users", "add", _USER, "--role", "maker", typed=f"{_PASSWORD}\n")
    token = re.search(r"bi_\S+", command("users", "token", _USER, "--for", "a benchmark"))
    process = subprocess.Popen(
        [*COMMAND, "--log-format", "json", "-v", "serve", "--port", "0"],
        env=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        reading = None
        try:
            url = re.search(r"http://\S+", process.stdout.readline() if process.stdout else "")
            if url is None or token is None:
                raise RuntimeError("the console did not say where it is")
            served = Served(url=url[0], token=token[0])
            reading = threading.Thread(target=_read_log, args=(process, served))
            reading.start()
            yield served
        finally:
            process.terminate()
            if reading is not None:
                reading.join()


def _read_log(process: "subprocess.Popen[str]", served: Served) -> None:
    """Take from the log how long each run sent."""
    for line in process.stderr or ():
        told = json.loads(line) if line.startswith("{") else {}
        if told.get("event") == "sending finished":
            served.sent.append(told["seconds"])
