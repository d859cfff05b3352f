"""A world with a console's server in it, which may die as any other process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from batch_issuer.acceptance import IssueOptions
from batch_issuer.ledger.audit import Actor, Via
from batch_issuer.ledger.records import Records, open_records
from batch_issuer.ledger.runs import Run
from batch_issuer.processes import Process
from batch_issuer.reports import Summary
from batch_issuer.runs import Runs, open_runs
from batch_issuer.sandbox import Scenario
from batch_issuer.settings import Settings
from tests.pipeline.machine import Death, MortalWorld, WatchedSandbox, WatchedTime
from tests.pipeline.world import read_csv

UPLOAD = "00112233aabbccdd"


def person(user: str) -> Actor:
    """Be a user of the console."""
    return Actor(user=user, via=Via.PAGE, address="10.0.0.7")


@dataclass(slots=True, kw_only=True)
class ConsoleWorld(MortalWorld):
    """Opens the runs of a server, again and again."""

    def load_settings(self, overrides: Mapping[str, object]) -> Settings:
        """Load them anew, as a server does for each run."""
        return Settings.model_validate({**self.settings().model_dump(), **overrides})

    @asynccontextmanager
    async def records(self) -> AsyncIterator[Records]:
        """Open the ledger."""
        async with open_records(self.settings().ledger_url, self.time.clock()) as records:
            yield records

    @asynccontextmanager
    async def server(self, process: Process | None = None) -> AsyncIterator[Runs]:
        """Open what a server does in the background."""
        async with (
            self.records() as records,
            open_runs(
                records, self.load_settings, clock=self.time.clock(), process=process or self.process
            ) as runs,
        ):
            yield runs

    async def live_as_server(
        self,
        work: Callable[[Runs], Awaitable[None]],
        death: Death | None = None,
        *,
        where: Callable[[Process], Process] = lambda process: process,
    ) -> None:
        """Be a server for as long as some work takes, or until it dies."""

        async def serve(_: object) -> Summary:
            assert self.process is not None
            async with self.server(where(self.process)) as runs:
                await work(runs)
            return None  # type: ignore[return-value]  # a server has none

        await self.live(serve, death)

    async def issue_upload(self, runs: Runs, file: Path, *, upload: str = UPLOAD, **options: Any) -> Run:
        """Ask for what the last page of the way through asks for."""
        chosen = IssueOptions(
            **{"check_badges": False, "issued_by": "mia", "upload": upload, "file_name": "may.csv", **options}
        )
        return await runs.issue(upload, file, chosen, by=person("mia"))

    def lines(self) -> list[dict[str, str]]:
        """Read the reconciliation of the only batch."""
        (folder,) = (path for path in self.output.iterdir() if path.name.startswith("2"))
        return read_csv(folder / "reconciliation.csv")


@asynccontextmanager
async def open_console(
    tmp_path: Path, scenario: Scenario | None = None, **overrides: Any
) -> AsyncIterator[ConsoleWorld]:
    """Open a world that has a checker, too."""
    time = WatchedTime()
    async with WatchedSandbox(scenario=scenario, clock=time.seconds, sleep=time.sleep) as sandbox:
        known = sandbox.credentials
        checker = {
            "checker_username": known.checker_username,
            "checker_password": known.checker_password,
            "checker_ui_auth_token": known.checker_ui_token,
        }
        output = tmp_path / "output"
        output.mkdir()
        yield ConsoleWorld(
            sandbox=sandbox, output=output, folder=tmp_path, time=time, overrides={**checker, **overrides}
        )


async def finished(runs: Runs, run: Run) -> Run:
    """Wait for the end of a run, and return it as the ledger has it."""
    await runs.wait(run.run)
    found = await runs.find(run.run)
    assert found is not None
    return found


def elsewhere(process: Process) -> Process:
    """Put a process into another container."""
    return replace(process, namespace="pid:[1]")


async def until(is_so: Callable[[], bool]) -> None:
    """Let the others go on until something is so."""
    for _ in range(1_000_000):
        if is_so():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came about")
