"""The installed command against a sandbox in a process of its own."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
COMMAND = (sys.executable, "-m", "batch_issuer")


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


@dataclass(slots=True, kw_only=True)
class Terminal:
    """Runs commands in a folder, with settings for a server."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a command and return at once."""
        return subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=self.folder,
            env={**environment(), **self.settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def batch_folder(self) -> Path:
        """Return the folder of the only batch."""
        (folder,) = (path for path in (self.folder / "output").iterdir() if path.is_dir())
        return folder


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(folder=tmp_path)


@pytest.fixture
def start_sandbox() -> Iterator[Callable[..., Server]]:
    """Start sandboxes with options; all of them end with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> Server:
        process = subprocess.Popen(
            [*COMMAND, "sandbox", "--port", "0", *options],
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        settings = {}
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.match(r"\s+export (\w+)=(\S+)", line):
                settings[found[1]] = found[2]
            elif settings:
                break
        return Server(url=settings["BATCH_ISSUER_BASE_URL"], settings=settings)

    yield start
    for process in started:
        with process:
            process.terminate()
            process.communicate(timeout=20)
