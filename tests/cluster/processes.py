"""A real scheduler and its workers as processes of this machine, each with a folder and a session of its own.

None outlives its time limit, whatever becomes of the tests; each is killed by the process group it leads.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

T = TypeVar("T")

ROOT: Final = Path(__file__).parent.parent.parent
_LIMIT_SECONDS: Final = 600
_PATIENCE: Final = 60.0
_TURN: Final = 0.02
_PROC: Final = Path("/proc")


def clean_environment() -> dict[str, str]:
    """Return the environment without any setting of ours or of Dask's."""
    ours = ("BATCH_ISSUER_", "DASK_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@dataclass(slots=True, kw_only=True)
class Member:
    """A scheduler, or a worker with the nanny that starts it again."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all of it."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """End it at once, and wait until it is gone."""
        self.send(signal.SIGKILL)
        self.process.wait(timeout=_PATIENCE)

    def send_to_the_one_that_works(self, number: signal.Signals) -> None:
        """Send a signal to the worker alone, and not to the nanny that starts it again."""
        os.kill(self.pid(), number)

    def kill_the_one_that_works(self) -> None:
        """End the worker at once; its nanny starts another."""
        self.send_to_the_one_that_works(signal.SIGKILL)

    def stands_still(self) -> bool:
        """Tell whether the worker is stopped."""
        stat = (_PROC / str(self.pid()) / "stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"

    def pid(self) -> int:
        """Return the process that works, and not the one that watches over it. Waits until there is one."""
        return wait_for(lambda: next(iter(self._workers()), 0), f"a process of {self.log.name}")

    def _workers(self) -> list[int]:
        return [pid for pid in living(self.process.pid) if b"spawn_main" in command_of(pid)]

    def told(self) -> str:
        """Return what it has logged."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def living(group: int) -> list[int]:
    """Return the processes of a group that have not ended."""
    found = []
    for stat in _PROC.glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in "ZX":
                found.append(int(stat.parent.name))
    return found


def command_of(pid: int) -> bytes:
    """Return the command line of a process, empty where it has ended."""
    with suppress(OSError):
        return (_PROC / str(pid) / "cmdline").read_bytes()
    return b""


def wait_for(look: Callable[[], T], what: str) -> T:
    """Look until there is something, and return it."""
    deadline = time.monotonic() + _PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(_TURN)
    return found


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@dataclass(slots=True, kw_only=True)
class Cluster:
    """A scheduler and workers, on loopback."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    members: dict[str, Member] = field(default_factory=dict)
    tls: tuple[str, ...] = ()
    """Options that name certificates; none: what is said is not encrypted."""

    @property
    def engine(self) -> str:
        """Return it as the setting ENGINE has it."""
        return f"{'tls' if self.tls else 'dask'}://127.0.0.1:{self.port}"

    @property
    def _place(self) -> str:
        return f"{'tls' if self.tls else 'tcp'}://127.0.0.1:{self.port}"

    def start(self, *, workers: int = 2) -> Self:
        """Start the scheduler and some workers, and wait until they are there."""
        self.start_scheduler()
        for number in range(workers):
            self.start_worker(f"worker-{number}")
        return self

    def start_scheduler(self) -> Member:
        """Start the scheduler, at the same place as before, and wait until it answers."""
        options = ("--host", self._place, "--no-dashboard", *self.tls)
        member = self._start("scheduler", "scheduler", *options, "--dashboard-address", "127.0.0.1:0")
        wait_for(self._answers, "the scheduler")
        return member

    def start_worker(
        self, name: str, *, environment: Mapping[str, str] | None = None, nanny: bool = True
    ) -> Member:
        """Start a worker with one thread, and wait until it is connected."""
        member = self._start(
            *(
                name,
                "worker",
                self._place,
                "--name",
                name,
                "--protocol",
                self._place.partition(":")[0],
                *self.tls,
            ),
            *("--nworkers", "1", "--nthreads", "1", "--memory-limit", "0", "--no-dashboard"),
            *("--death-timeout", "30", "--local-directory", str(self.folder / name)),
            "--nanny" if nanny else "--no-nanny",
            environment=environment,
        )
        wait_for(lambda: "Starting established connection" in member.told(), name)
        return member

    def _start(self, name: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Member:
        log = self.folder / f"{name}.log"
        with log.open("ab") as out:
            process = subprocess.Popen(
                [
                    "/usr/bin/timeout",
                    "--kill-after=5",
                    str(_LIMIT_SECONDS),
                    sys.executable,
                    "-m",
                    "dask",
                    *arguments,
                ],
                cwd=ROOT,
                env={
                    **clean_environment(),
                    "PYTHONPATH": str(ROOT),
                    **self.environment,
                    **(environment or {}),
                },
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.members[name] = Member(process=process, log=log)
        return self.members[name]

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for member in self.members.values():
            member.kill()
