"""The installed command against a sandbox in a process of its own."""

import csv
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
COMMAND = (sys.executable, "-m", "batch_issuer")
BADGE = "0123456789abcdef01234567"

# a lost answer is looked up after TIMEOUT + SETTLE seconds
SHORT_TIMES = {"BATCH_ISSUER_TIMEOUT": "1", "BATCH_ISSUER_SETTLE": "0.5"}
_PATIENCE = 120
_TURN = 0.02

Process = subprocess.Popen[str]


def environment() -> dict[str, str]:
    """Return the environment without any setting of ours."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BATCH_ISSUER_")}
    return {**clean, "PYTHONPATH": str(ROOT)}


@dataclass(slots=True, kw_only=True)
class Server:
    """A sandbox that runs as a command."""

    url: str
    settings: dict[str, str]

    def truth(self) -> dict[str, Any]:
        """Ask the simulator for its own record."""
        address = f"{self.url}/sandbox/truth"
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - our own, on loopback
            found: dict[str, Any] = json.load(answer)
        return found

    def customers(self) -> list[int]:
        """Return every customer of every request, in order of acceptance."""
        return [customer for request in self.truth()["requests"] for customer in request["customers"]]

    def accepted(self) -> int:
        """Count the requests that were accepted."""
        count: int = self.truth()["posts"]["accepted"]
        return count


@dataclass(slots=True, kw_only=True)
class Terminal:
    """Runs commands in a folder, with settings for a server; `close` ends those that still run."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = COMMAND
    _started: list[Process] = field(default_factory=list)

    def start(self, *arguments: str) -> Process:
        """Start a command and return at once."""
        process = subprocess.Popen(
            [*self.command, *arguments],
            cwd=self.folder,
            env={**environment(), **self.settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        return finish(self.start(*arguments))

    def run_together(self, *commands: tuple[str, ...]) -> "list[subprocess.CompletedProcess[str]]":
        """Start commands at the same moment, and wait for all of them."""
        return [finish(process) for process in [self.start(*arguments) for arguments in commands]]

    def close(self) -> None:
        """End every command that still runs, stopped ones too."""
        for process in self._started:
            with process:
                process.kill()

    def write(self, customers: Iterable[int], name: str = "in.csv") -> None:
        """Write an input file."""
        rows = "".join(f"{customer},{BADGE}\n" for customer in customers)
        (self.folder / name).write_text("customer_id,badge_meta_id\n" + rows)

    def batch_folders(self) -> dict[str, Path]:
        """Return the folder of each batch by the name of its input file."""
        found = (self.folder / "output").glob("2*/summary.json")
        return {json.loads(path.read_text())["input"]["name"]: path.parent for path in found}

    def batch_folder(self) -> Path:
        """Return the folder of the only batch."""
        (folder,) = (path for path in (self.folder / "output").iterdir() if path.is_dir())
        return folder

    def lines(self) -> list[dict[str, str]]:
        """Read the reconciliation of the only batch."""
        return lines_in(self.batch_folder())


def finish(process: Process) -> "subprocess.CompletedProcess[str]":
    """Wait for a command's end, and return what it said."""
    out, err = process.communicate(timeout=_PATIENCE)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def lines_in(batch_folder: Path) -> list[dict[str, str]]:
    """Read a reconciliation the way a spreadsheet would."""
    with (batch_folder / "reconciliation.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def wait_while_it_runs(process: Process, is_done: Callable[[], bool]) -> None:
    """Wait until something is so. Fails where the command ends first, or time runs out."""
    deadline = time.monotonic() + _PATIENCE
    while not is_done():
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_TURN)
        assert process.returncode is None, f"it ended first: {process.communicate()}"
        assert time.monotonic() < deadline


def wait_for_posts(server: Server, process: Process, count: int) -> None:
    """Wait until the server has accepted so many requests."""
    wait_while_it_runs(process, lambda: server.accepted() >= count)


@contextmanager
def open_terminal(folder: Path) -> Iterator[Terminal]:
    """Give a terminal whose commands end with it."""
    terminal = Terminal(folder=folder)
    try:
        yield terminal
    finally:
        terminal.close()


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    with open_terminal(tmp_path) as opened:
        yield opened


@contextmanager
def open_sandbox(*options: str) -> Iterator[Server]:
    """Run a sandbox."""
    process = subprocess.Popen(
        [*COMMAND, "sandbox", "--port", "0", *options],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            settings = settings_told_by(process)
            yield Server(url=settings["BATCH_ISSUER_BASE_URL"], settings=settings)
        finally:
            process.terminate()
            process.communicate(timeout=20)


def settings_told_by(process: Process) -> dict[str, str]:
    """Read the settings that a sandbox prints when it starts."""
    settings: dict[str, str] = {}
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.match(r"\s+export (\w+)=(\S+)", line):
            settings[found[1]] = found[2]
        elif settings:
            break
    return settings


@pytest.fixture
def start_sandbox() -> Iterator[Callable[..., Server]]:
    """Start sandboxes with options; all of them end with the test."""
    with ExitStack() as stack:
        yield lambda *options: stack.enter_context(open_sandbox(*options))


EACH_DATABASE = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgres))


def ledger_settings(kind: str, request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the settings that keep a ledger in a database of a kind; a file is what we take by default."""
    if kind == "sqlite":
        return {}
    return {"BATCH_ISSUER_LEDGER": request.getfixturevalue("postgres_databases").new_database()}


@pytest.fixture(params=EACH_DATABASE)
def shared_ledger(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the settings of a new ledger, in each of the databases."""
    return ledger_settings(request.param, request)
