"""A scheduler with workers, and a PostgreSQL that counts its statements, as processes of this machine."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson
import psycopg

from benchmarks.stage import ROOT, environment
from tests.postgresql import PostgresServer, find_postgresql

_OPTIONS: Final = (
    "-c shared_preload_libraries=pg_stat_statements -c pg_stat_statements.track_planning=on "
    "-c shared_buffers=512MB -c max_wal_size=4GB"
)
_PROC: Final = Path("/proc")
_PATIENCE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What the database has done of one kind of statement."""

    text: str
    calls: int
    seconds: float
    rows: int


class CountingServer(PostgresServer):
    """A server that counts its statements, and flushes as one does that is meant to last."""

    @property
    def pid(self) -> int:
        """The process that all of its others come from."""
        return int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0])

    def count_anew(self, url: str) -> None:
        """Forget what was counted."""
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("create extension if not exists pg_stat_statements")
            connection.execute("select pg_stat_statements_reset()")

    def statements(self, url: str) -> list[Statement]:
        """Return what was counted in a database, what took longest first."""
        with psycopg.connect(url, autocommit=True) as connection:
            found = connection.execute(
                "select query, calls, (total_exec_time + total_plan_time) / 1000, rows "
                "from pg_stat_statements join pg_database on oid = dbid "
                "where datname = current_database() order by 3 desc"
            ).fetchall()
        return [
            Statement(text=" ".join(text.split()), calls=calls, seconds=seconds, rows=rows)
            for text, calls, seconds, rows in found
        ]


@contextmanager
def counting_server() -> Iterator[CountingServer]:
    """Run a server. Raises RuntimeError where there is no PostgreSQL."""
    programs = find_postgresql()
    if programs is None:
        raise RuntimeError("PostgreSQL is needed (on Debian and Ubuntu: apt install postgresql)")
    with CountingServer(programs, options=_OPTIONS) as server:
        yield server


@contextmanager
def running_cluster(
    folder: Path, *, workers: int, environ: Mapping[str, str]
) -> Iterator[tuple[str, list[int]]]:
    """Run a scheduler and some workers of one thread; yield its address, and the processes of the workers."""
    address_file = folder / f"scheduler-{workers}.json"
    where = ("--scheduler-file", str(address_file))
    with _processes() as start:
        # the port is the scheduler's own choice
        start(folder, environ, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", *where)
        address = _address_in(address_file)
        for number in range(workers):
            start(
                folder,
                environ,
                *("worker", *where, "--host", "127.0.0.1", "--name", f"w{number}", "--no-dashboard"),
                *("--nworkers", "1", "--nthreads", "1", "--memory-limit", "0", "--death-timeout", "30"),
                *("--no-nanny", "--local-directory", str(folder / f"w{number}")),
            )
        yield address, [process.pid for process in start.started[1:]]


@contextmanager
def _processes() -> Iterator["_Start"]:
    start = _Start([])
    try:
        yield start
    finally:
        for process in reversed(start.started):
            process.terminate()
        for process in start.started:
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@dataclass(frozen=True, slots=True)
class _Start:
    started: "list[subprocess.Popen[bytes]]"

    def __call__(self, folder: Path, environ: Mapping[str, str], *arguments: str) -> None:
        log = (folder / f"{arguments[0]}-{len(self.started)}.log").open("wb")
        with log:
            self.started.append(
                subprocess.Popen(
                    [sys.executable, "-m", "dask", *arguments],
                    cwd=ROOT,
                    env={**environment(), **environ},
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )


def _address_in(path: Path) -> str:
    """Wait until the scheduler has written where it is."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError, orjson.JSONDecodeError):  # not there yet, or not all of it
            told: str = orjson.loads(path.read_bytes())["address"]
            return told.removeprefix("tcp://")
        time.sleep(0.05)
    raise TimeoutError(f"nobody wrote {path.name}")


def worked(pid: int) -> float:
    """Return for how many seconds a process has worked, with those of its children that have ended."""
    fields = _stat(pid)
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def worked_with_children(pid: int) -> float:
    """Return for how many seconds a process and its children have worked."""
    children = [int(path.name) for path in _PROC.glob("[0-9]*") if _parent(int(path.name)) == pid]
    return worked(pid) + sum(map(_worked_if_there, children))


def peak_megabytes_of(pid: int) -> float:
    """Return the most memory that a process has taken so far."""
    lines = (_PROC / str(pid) / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def _worked_if_there(pid: int) -> float:
    with suppress(OSError):
        return worked(pid)
    return 0.0


def _parent(pid: int) -> int:
    with suppress(OSError):
        return int(_stat(pid)[1])
    return 0


def _stat(pid: int) -> list[str]:
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
