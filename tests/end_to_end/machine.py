"""A machine in a folder: the shell blocks of a page run there, with all places below that folder.

What would change the real machine (users, services, packages) is played by `stand_ins.py`; all other
programs are the system's own.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.conftest import ROOT, environment

PLACES = (
    "/opt/batch_issuer",
    "/etc/batch_issuer",
    "/etc/systemd/system",
    "/srv/batch_issuer",
    "/var/lib/batch_issuer",
    "/var/lib/prometheus/node-exporter",
    "/usr/local/bin",
)
PLAYED = (
    *("sudo", "useradd", "userdel", "install", "rm", "python3"),
    *("systemctl", "journalctl", "systemd-ask-password"),
)
_EVERYWHERE = {"/dev/null", "/dev/stdin", "/usr/sbin/nologin"}
_ABSOLUTE = re.compile(r"(?<![\w./:%*-])/[\w./*-]+")
_CHECKOUT = ("deploy", "requirements.lock", "pyproject.toml")
_PATIENCE = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A folder that stands for a machine."""

    root: Path
    answers: dict[str, str]
    """What a person types, by a part of the question."""
    replaced: dict[str, str]
    """Values of the page that are others here, as the address of the API."""

    def set_up(self) -> None:
        """Make the folders that every machine has, a checkout, and the programs that are played."""
        for place in (
            "/etc/systemd/system",
            "/var/lib/prometheus/node-exporter",
            "/usr/local/bin",
            "/opt",
            "/srv",
        ):
            self.at(place).mkdir(parents=True)
        (self.root / "played").mkdir()
        for name in PLAYED:
            played = self.root / "played" / name
            played.write_text(f'#!/bin/sh\nexec {sys.executable} -m tests.end_to_end.stand_ins {name} "$@"\n')
            played.chmod(0o755)
        (self.root / "answers").write_text(
            "".join(f"{part}\t{text}\n" for part, text in self.answers.items())
        )
        self._check_out()

    def _check_out(self) -> None:
        checkout = self.root / "checkout"
        checkout.mkdir()
        for name in _CHECKOUT:
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, checkout / name)
        for path in (checkout / "deploy").rglob("*"):
            if path.is_file():
                path.write_text(self.moved(path.read_text()))

    def at(self, place: str) -> Path:
        """Return where a place of the machine is."""
        return self.root / place.lstrip("/")

    def moved(self, text: str) -> str:
        """Return a text with the places of the machine, and the values that are others here."""
        for place in PLACES:
            text = text.replace(place, str(self.at(place)))
        for shown, real in self.replaced.items():
            text = text.replace(shown, real)
        return text

    def run(self, block: str) -> "subprocess.CompletedProcess[str]":
        """Run a block as a shell does that stops at the first command that fails."""
        block = self.moved(block)
        real = [path for path in _ABSOLUTE.findall(block) if not path.startswith(str(self.root))]
        assert set(real) <= _EVERYWHERE, "the page touches what no machine in a folder has"
        path = [str(self.root / "played"), str(self.at("/usr/local/bin")), "/usr/bin", "/bin"]
        return subprocess.run(
            ["/bin/bash", "-e", "-u", "-o", "pipefail", "-c", block],
            cwd=self.root / "checkout",
            env={**environment(), "PATH": ":".join(path), "MACHINE": str(self.root)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )

    def switch_off(self) -> None:
        """End the services that still run."""
        for path in self.root.glob("*.pid"):
            with suppress(ProcessLookupError, ValueError):
                os.kill(int(path.read_text()), signal.SIGKILL)
