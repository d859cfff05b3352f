"""The whole way of large files: time, memory, growth, and how soon a killed batch goes on."""

import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import orjson
from pyarrow import csv as pacsv

from batch_issuer.acceptance import IssueOptions
from batch_issuer.pipeline import issue
from benchmarks.data import write_customers
from benchmarks.figures import Figure, Goal, in_turns
from benchmarks.intake import check_and_plan, peak_megabytes, read_with_arrow
from benchmarks.peers import bare_pool
from benchmarks.reports import read_back
from benchmarks.server import running_server
from benchmarks.stage import COMMAND, environment, open_stage, run, settings_for

_CONCURRENCY: Final = 64
_FEW_ROUNDS: Final = 3
_POLL_SECONDS: Final = 0.02
_PATIENCE_SECONDS: Final = 600.0


def measure_issue(rows: int, rounds: int, folder: Path) -> Iterator[Figure]:
    """Measure a whole `issue` beside the sum of its parts, each done alone and bare."""
    file = folder / "whole.csv"
    write_customers(file, rows)
    with running_server() as url:
        yield run(_measure_issue(url, file, rounds, folder))


async def _measure_issue(url: str, file: Path, rounds: int, folder: Path) -> Figure:
    settings = settings_for(url, folder / "whole", rate=0, concurrency=_CONCURRENCY)
    ours: list[float] = []
    parts: list[float] = []
    options = IssueOptions(check_badges=False, again=True)
    async with open_stage(settings) as stage:
        requests = stage.unsent(await stage.accept(file))
        for _ in range(rounds):
            begun = time.perf_counter()
            summary = await issue(stage.services, file, options)
            ours.append(time.perf_counter() - begun)
            table = read_back(summary.folder)
            begun = time.perf_counter()
            read_with_arrow(file)
            await bare_pool(url, requests, stage.inner, concurrency=_CONCURRENCY)
            pacsv.write_csv(table, folder / "alone.csv")
            parts.append(time.perf_counter() - begun)
    return Figure(
        name=f"issue {table.num_rows:,} rows in {len(requests):,} requests",
        ours=ours,
        against="read alone + bare POSTs + write alone",
        other=parts,
        goal=Goal(bound=1.6),
    )


def measure_growth(rows: int, folder: Path) -> Iterator[Figure]:
    """Measure ten times as many rows, and what they take more: planning and issuing, time and memory."""
    small, large = folder / "small.csv", folder / "large.csv"
    write_customers(small, rows)
    write_customers(large, 10 * rows)
    tenth, ours, reading = in_turns(
        _FEW_ROUNDS,
        lambda: check_and_plan(small),
        lambda: check_and_plan(large),
        lambda: read_with_arrow(large),
    )
    yield Figure(
        name=f"read, validate and plan {10 * rows:,} rows",
        ours=ours,
        against="read them with pyarrow, in a stream",
        other=reading,
        goal=Goal(bound=4.5),
    )
    yield Figure(
        name="the same",
        ours=ours,
        against=f"a tenth of the rows ({rows:,})",
        other=tenth,
        goal=Goal(bound=11),
    )
    yield from _memory(small, large, folder)


def _memory(small: Path, large: Path, folder: Path) -> Iterator[Figure]:
    plan = ("-m", "batch_issuer", "plan", "--no-check-badges")
    little, much = (peak_megabytes(*plan, str(path)) for path in (small, large))
    grown = Goal(bound=11)
    yield Figure(name="peak memory of `plan` of all of them", ours=[much], unit="MB", goal=Goal(bound=800))
    yield Figure(
        name="the same", ours=[much], against="a tenth of the rows", other=[little], unit="MB", goal=grown
    )
    peaks, seconds = [], []
    with running_server() as url:
        for path in (small, large):
            settings = settings_for(url, folder / f"issue-{path.stem}", rate=0, concurrency=_CONCURRENCY)
            begun = time.perf_counter()
            command = ("-m", "batch_issuer", "issue", "--no-check-badges", str(path))
            peaks.append(peak_megabytes(*command, environ=environment(settings)))
            seconds.append(time.perf_counter() - begun)
    yield Figure(
        name="peak memory of `issue` of all of them", ours=[peaks[1]], unit="MB", goal=Goal(bound=1000)
    )
    yield Figure(
        name="seconds of `issue` of all of them",
        ours=[seconds[1]],
        against="a tenth of the rows",
        other=[seconds[0]],
        goal=grown,
    )


def measure_resume(rows: int, folder: Path) -> Iterator[Figure]:
    """Kill a batch in the middle, and measure how long `resume` takes to its first request."""
    file = folder / "killed.csv"
    write_customers(file, rows)
    with running_server() as url:
        settings = settings_for(url, folder / "killed", rate=0, concurrency=_CONCURRENCY)
        environ = environment(settings)
        command = [*COMMAND, "issue", "--no-check-badges", str(file)]
        with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL) as killed:
            half = rows // settings.chunk_size // 2
            _wait_until(url, lambda answered: answered >= half)
            killed.send_signal(signal.SIGKILL)
        before = _answered(url)
        begun = time.perf_counter()
        with subprocess.Popen([*COMMAND, "resume"], env=environ, stdout=subprocess.DEVNULL) as resumed:
            _wait_until(url, lambda answered: answered > before)
            seconds = time.perf_counter() - begun
            with suppress(ProcessLookupError):
                os.kill(resumed.pid, signal.SIGKILL)
    name = f"`resume` of a batch of {rows:,} rows, half of it sent: to its first request"
    yield Figure(name=name, ours=[seconds], goal=Goal(bound=5))


def _wait_until(url: str, is_there: Callable[[int], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not is_there(_answered(url)):
        if time.monotonic() > deadline:
            raise TimeoutError("the command did not come so far")
        time.sleep(_POLL_SECONDS)


def _answered(url: str) -> int:
    with urllib.request.urlopen(f"{url}/statistics") as answer:  # noqa: S310 - our own server on this machine
        return int(orjson.loads(answer.read())["answered"])
