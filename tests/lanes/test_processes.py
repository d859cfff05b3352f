"""Lanes in processes of their own, which are killed and stopped for real."""

import asyncio
import os
import pickle
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from batch_issuer.acceptance import IssueOptions
from batch_issuer.assembly import Services, open_services
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.clock import Clock
from batch_issuer.engine import ThisProcess, Work
from batch_issuer.pipeline import issue, resume
from batch_issuer.reports import Summary
from batch_issuer.sandbox import Scenario
from batch_issuer.settings import PREFIX, Settings
from batch_issuer.submission import lease
from tests.lanes.conftest import R, T, WatchedSandbox
from tests.pipeline.world import MovedTime, World, customers, outcomes

ROOT = Path(__file__).parent.parent.parent
SECRETS = ("password", "ui_auth_token")
SHORT = {"timeout": 1.0, "settle": 0.5, "concurrency": 6, "rate": 0}
"""The leases of such settings run 3 s."""
ROWS = 600
LIMIT = 60

pytestmark = pytest.mark.end_to_end


class Processes(ThisProcess):
    """Does each piece in a process of its own, and again where that one is killed."""

    def __init__(self, secrets: dict[str, str]) -> None:
        self._environment = {**os.environ, **secrets, "PYTHONPATH": str(ROOT)}
        self.at_work: list[int] = []

    @property
    def width(self) -> int:
        return 3

    async def run(self, work: Work[T, R], item: T, *, waits: bool = False) -> R:
        if not waits:  # checking and planning the file
            return await super().run(work, item)
        while True:
            done = await self._run(pickle.dumps((work, item)))
            if done is not None:
                result: R = pickle.loads(done)  # noqa: S301 - our own
                return result

    async def _run(self, piece: bytes) -> bytes | None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.lanes.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self._environment,
            cwd=ROOT,
        )
        self.at_work.append(process.pid)
        try:
            told, _ = await process.communicate(piece)
        finally:
            self.at_work.remove(process.pid)
            with suppress(ProcessLookupError):
                process.kill()
        return None if process.returncode == -signal.SIGKILL else told


Strike = Callable[[Processes, int], Awaitable[None]]


async def kill_one(engine: Processes, arrived: int) -> None:
    if arrived in {20, 70}:
        os.kill(engine.at_work[arrived % len(engine.at_work)], signal.SIGKILL)


async def stop_one_past_its_lease(engine: Processes, arrived: int) -> None:
    if arrived == 30:
        pid = engine.at_work[0]
        os.kill(pid, signal.SIGSTOP)
        asyncio.get_running_loop().call_later(6, _wake, pid)


def _wake(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def ledger(request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.param == "sqlite":
        return {}
    return {"ledger": request.getfixturevalue("postgres_databases").new_database()}


@pytest.mark.parametrize("strike", [kill_one, stop_one_past_its_lease])
async def test_nothing_is_lost_or_sent_twice_when_processes_are_killed_or_stopped(
    tmp_path: Path, ledger: dict[str, Any], strike: Strike, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "SHORTEST_SECONDS", 1.0)
    async with asyncio.timeout(LIMIT), WatchedSandbox(scenario=Scenario(latency_seconds=0.03)) as sandbox:
        world = World(
            sandbox=sandbox,
            output=tmp_path / "output",
            folder=tmp_path,
            time=MovedTime(),
            overrides={**SHORT, **ledger},
        )
        settings = world.settings()
        engine = Processes(_secrets(settings))
        sandbox.at_post = lambda arrived: strike(engine, arrived)

        async def run(work: Callable[[Services], Awaitable[Summary]]) -> Summary:
            async with open_services(
                settings, clock=Clock(), stopping=asyncio.Event(), engine=engine
            ) as services:
                return await work(services)

        file = world.write(customers(ROWS))
        summary = await run(lambda services: issue(services, file, IssueOptions(check_badges=False)))
        while summary.exit_code is ExitCode.NOT_FINISHED:
            summary = await run(lambda services: resume(services, None))
        sent = world.sent_customers()
    assert len(sent) == len(set(sent)) == ROWS
    assert outcomes(summary) == {"pending": ROWS}
    assert sandbox.most <= SHORT["concurrency"]


def _secrets(settings: Settings) -> dict[str, str]:
    found = {name: getattr(settings, name).get_secret_value() for name in SECRETS}
    return {f"{PREFIX}{name.upper()}": value for name, value in found.items()}
