"""How much of the allowed rate is used, against servers that refuse what goes beyond it."""

import asyncio
import urllib.request
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any, Final

import orjson

from benchmarks.data import write_customers
from benchmarks.figures import Figure, Goal
from benchmarks.server import running_server
from benchmarks.stage import open_stage, run, settings_for

_WINDOW: Final = 12.0
"""Seconds: a minute's limit, scaled."""
_SHARES: Final = {100: 1.0, 1_000: 0.4, 10_000: 0.4}
"""The rates, and for what share of the time each is measured: a slow one takes longer to tell."""
_MINUTE: Final = 60.0


def measure(seconds: float, folder: Path) -> Iterator[Figure]:
    """Send at each rate for some seconds, to a server with fixed and to one with sliding windows at once."""
    refused = 0.0
    for rate, share in _SHARES.items():
        with ExitStack() as servers:
            urls = {kind: servers.enter_context(_server(rate, kind)) for kind in ("fixed", "sliding")}
            run(_send_all(rate, urls, share * seconds, folder))
            told = {kind: _statistics(url) for kind, url in urls.items()}
        for kind, server in told.items():
            allowed = rate / _MINUTE * (server["last"] - server["first"])
            yield Figure(
                name=f"share of {rate:,} requests a minute that is used, {kind} windows",
                ours=[(server["answered"] - 1) / allowed],
                unit="",
                goal=Goal(bound=0.98, is_most=False),
            )
            refused += server["refused"]
    yield Figure(name="429s in all of these", ours=[refused], unit="", goal=Goal(bound=0))


def _server(rate: int, kind: str) -> Any:  # noqa: ANN401 - a context
    most = round(rate * _WINDOW / _MINUTE)
    sliding = ("--sliding",) if kind == "sliding" else ()
    return running_server("--most", str(most), "--window", str(_WINDOW), *sliding)


async def _send_all(rate: int, urls: dict[str, str], seconds: float, folder: Path) -> None:
    async with AsyncExitStack() as stages, asyncio.TaskGroup() as tasks:
        for kind, url in urls.items():
            name = f"{kind}-{rate}"
            file = folder / f"{name}.csv"
            write_customers(file, max(3, round(rate / _MINUTE * seconds)))
            settings = settings_for(url, folder / name, rate=rate, chunk_size=1)
            stage = await stages.enter_async_context(open_stage(settings))
            tasks.create_task(stage.submit(await stage.accept(file)))


def _statistics(url: str) -> dict[str, float]:
    with urllib.request.urlopen(f"{url}/statistics") as answer:  # noqa: S310 - our own server on this machine
        statistics: dict[str, float] = orjson.loads(answer.read())
    return statistics
