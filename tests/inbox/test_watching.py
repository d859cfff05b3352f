"""Staying with a folder: when a pass is made, and that none ends it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from batch_issuer.clock import Clock
from batch_issuer.errors import LedgerUnavailable
from batch_issuer.inbox import Completeness, PassResult, tell_of_files, watch

EVERY = 300.0
Step = Callable[["Watcher"], PassResult]


class Watcher:
    """Runs a watch whose passes are told what to do; it ends with the last of them."""

    def __init__(self, *steps: Step) -> None:
        self._steps = list(steps)
        self.waited: list[float] = []
        self.passes = 0
        self.came = asyncio.Event()
        self.stopping = asyncio.Event()

    async def run(self) -> None:
        clock = Clock(tick=self._tick)
        await watch(self._pass, came=self.came, every=EVERY, clock=clock, stopping=self.stopping)

    async def _pass(self) -> PassResult:
        self.passes += 1
        step = self._steps.pop(0)
        if not self._steps:
            self.stopping.set()
        return step(self)

    async def _tick(self, seconds: float) -> None:
        self.waited.append(seconds)
        if self.came.is_set():
            await asyncio.Event().wait()


def nothing(_: Watcher) -> PassResult:
    return PassResult()


def a_file_comes(watcher: Watcher) -> PassResult:
    watcher.came.set()
    return PassResult()


def a_young_file(_: Watcher) -> PassResult:
    return PassResult(waiting=("a.csv",), again_in=12.0)


def ledger_is_down(_: Watcher) -> PassResult:
    raise LedgerUnavailable("the ledger can't be used now (gone)")


def a_bug(_: Watcher) -> PassResult:
    raise ZeroDivisionError


async def test_passes_are_made_now_and_then_without_any_event() -> None:
    watcher = Watcher(nothing, nothing, nothing)
    await watcher.run()
    assert (watcher.passes, watcher.waited[:2]) == (3, [EVERY, EVERY])


async def test_a_young_file_is_looked_at_again_when_it_is_old_enough() -> None:
    watcher = Watcher(a_young_file, nothing)
    await watcher.run()
    assert watcher.waited[0] == pytest.approx(12.5)


async def test_a_file_that_comes_during_a_pass_is_seen_at_once_by_the_next() -> None:
    watcher = Watcher(a_file_comes, nothing)
    async with asyncio.timeout(10):
        await watcher.run()
    assert watcher.passes == 2


@pytest.mark.parametrize("trouble", [ledger_is_down, a_bug])
async def test_a_pass_that_fails_is_logged_and_tried_again(
    trouble: Step, caplog: pytest.LogCaptureFixture
) -> None:
    watcher = Watcher(trouble, trouble, nothing)
    with caplog.at_level(logging.ERROR, "batch_issuer"):
        await watcher.run()
    assert watcher.passes == 3
    assert [record.getMessage() for record in caplog.records] == ["pass failed"] * 2


async def test_nothing_is_done_once_a_stop_was_asked_for() -> None:
    watcher = Watcher(nothing)
    watcher.stopping.set()
    await watcher.run()
    assert watcher.passes == 0


async def hear_of(folder: Path, act: Callable[[], Awaitable[None]]) -> None:
    """Do something in a folder again and again until it is heard of."""
    came, stopping = asyncio.Event(), asyncio.Event()
    telling = asyncio.create_task(tell_of_files(folder, Completeness(done_marker=".done"), came, stopping))
    try:
        async with asyncio.timeout(30):
            while not came.is_set():
                await act()
                await asyncio.wait({asyncio.ensure_future(came.wait())}, timeout=0.2)
    finally:
        stopping.set()
        await telling


@pytest.mark.parametrize("name", ["a.csv", "a.csv.done", "batch.toml"])
async def test_a_file_that_matters_is_heard_of(tmp_path: Path, name: str) -> None:
    async def act() -> None:
        (tmp_path / name).write_text("x")

    await hear_of(tmp_path, act)


async def test_a_folder_that_is_gone_is_told_and_time_alone_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await tell_of_files(tmp_path / "gone", Completeness(), asyncio.Event(), asyncio.Event())
    assert [record.getMessage() for record in caplog.records if record.name.startswith("batch_issuer")] == [
        "no notice of new files: passes go by time alone"
    ]
