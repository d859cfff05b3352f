"""How fast requests go out: beside a bare client, at latency, and beside the scripts that people use."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from batch_issuer.batch.requests import IssueRequest
from batch_issuer.settings import Settings
from benchmarks.data import write_customers
from benchmarks.figures import Figure, Goal, seconds_of
from benchmarks.peers import PATH, bare_pool, cookbook_script, requests_loop
from benchmarks.server import running_server
from benchmarks.stage import Stage, open_stage, run, settings_for

_CHUNK: Final = 100
_CONCURRENCY: Final = 64
_LATENCY: Final = 0.1
_SLOW_PEERS_SEND: Final = 0.2
"""The share of requests that is given to those who take long for each."""


def measure(requests: int, rounds: int, folder: Path) -> Iterator[Figure]:
    """Measure submission against a server that answers at once, and one that takes its time."""
    file = folder / "submission.csv"
    write_customers(file, requests * _CHUNK)
    with running_server() as url:
        yield from run(_without_latency(url, file, rounds, folder))
        yield from _server_limit(url, rounds)
    with running_server("--latency", str(_LATENCY)) as url:
        yield from run(_with_latency(url, file, rounds, folder))


async def _without_latency(url: str, file: Path, rounds: int, folder: Path) -> list[Figure]:
    ours: list[float] = []
    bare: list[float] = []
    loop: list[float] = []
    cookbook: list[float] = []
    async with open_stage(_settings(url, folder / "at-once")) as stage:
        for _ in range(rounds + 1):
            requests, rate = await _ours(stage, file)
            few = requests[: max(1, int(len(requests) * _SLOW_PEERS_SEND))]
            ours.append(rate)
            bare.append(await _bare(stage, url, requests))
            results = folder / "results.jsonl"
            script = cookbook_script(url, few, stage.inner, results=results)
            # as their users run them: on Python's own event loop, and on none
            cookbook.append(len(few) / await seconds_of(asyncio.to_thread(asyncio.run, script)))
            blocking = asyncio.to_thread(requests_loop, url, few, stage.inner)
            loop.append(len(few) / await seconds_of(blocking))
    at = f"concurrency {_CONCURRENCY}, loopback"
    return [
        _rate(
            f"journaled submission, {at}", ours, "a bare aiohttp pool", bare, Goal(bound=0.75, is_most=False)
        ),
        _rate("the same", ours, "a cookbook-style script", cookbook, Goal(bound=5, is_most=False)),
        _rate("the same", ours, "a loop with requests", loop, Goal(bound=5, is_most=False)),
    ]


async def _with_latency(url: str, file: Path, rounds: int, folder: Path) -> list[Figure]:
    ours: list[float] = []
    bare: list[float] = []
    async with open_stage(_settings(url, folder / "late")) as stage:
        for _ in range(rounds + 1):
            requests, rate = await _ours(stage, file)
            ours.append(rate)
            bare.append(await _bare(stage, url, requests))
    ideal = [_CONCURRENCY / _LATENCY]
    at = f"at {_LATENCY * 1000:.0f} ms, concurrency {_CONCURRENCY}"
    return [
        _rate(
            f"journaled submission {at}", ours, "a bare aiohttp pool", bare, Goal(bound=0.97, is_most=False)
        ),
        _rate("the same", ours, "concurrency / latency", ideal, Goal(bound=0.92, is_most=False)),
    ]


def _server_limit(url: str, rounds: int) -> Iterator[Figure]:
    """Tell how many requests the server itself can answer, where wrk is there to ask it."""
    wrk = shutil.which("wrk")
    if wrk is None:
        return
    command = [wrk, "-t1", f"-c{_CONCURRENCY}", "-d1s", url + PATH]
    told = [subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(rounds)]
    rates = [float(text.split("Requests/sec:")[1].split()[0]) for text in told]
    yield Figure(name="the benchmarks' own server, by wrk", ours=rates, unit="/s")


async def _ours(stage: Stage, file: Path) -> tuple[list[IssueRequest], float]:
    """Accept a file and send it; return its requests, and how many went out in a second."""
    accepted = await stage.accept(file)
    requests = stage.unsent(accepted)
    return requests, len(requests) / await seconds_of(stage.submit(accepted))


async def _bare(stage: Stage, url: str, requests: Sequence[IssueRequest]) -> float:
    pool = bare_pool(url, requests, stage.inner, concurrency=_CONCURRENCY)
    return len(requests) / await seconds_of(pool)


def _settings(url: str, folder: Path) -> Settings:
    return settings_for(url, folder, rate=0, concurrency=_CONCURRENCY, chunk_size=_CHUNK)


def _rate(name: str, ours: list[float], against: str, other: list[float], goal: Goal) -> Figure:
    """Leave the first round out: in it code is loaded and files come into memory."""
    counted = other[1:] if len(other) > 1 else other
    return Figure(name=name, ours=ours[1:], against=against, other=counted, unit="/s", goal=goal)
