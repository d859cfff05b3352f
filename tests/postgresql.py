"""PostgreSQL for tests: a real server in a temporary folder, or databases on a developer's own."""

import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, LiteralString, Self
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

DSN = "BATCH_ISSUER_TEST_DSN"
_DEBIAN = Path("/usr/lib/postgresql")
_TEMPORARY = Path("/tmp")  # noqa: S108 - a socket's path is short, and user postgres must get there
_SECONDS = 30

Mode = Literal["smart", "fast", "immediate"]


def find_postgresql() -> Path | None:
    """Return the folder of the newest PostgreSQL's programs, which Debian keeps out of PATH."""
    newest_first = sorted(_DEBIAN.glob("[1-9][0-9]/bin"), reverse=True)
    in_path = [Path(found).parent for found in [shutil.which("initdb")] if found]
    for folder in [*newest_first, *in_path]:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    return None


class Databases:
    """Makes databases on a server, each known by its URL, and drops them at the end."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._made: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for url in [*self._made]:
            self.drop(url)

    def new_database(self, name: str | None = None, *, base: str | None = None) -> str:
        """Make a database, empty or as a copy of the one at `base`, to which nobody may be connected."""
        name = name or f"test_{secrets.token_hex(6)}"
        template = _name_of(base) if base else "template0"
        self._execute("create database {} template {}", name, template)
        url = urlsplit(self.url)._replace(path=f"/{name}").geturl()
        self._made.append(url)
        return url

    def drop(self, url: str) -> None:
        """Drop a database that was made here, even where somebody is still connected."""
        self._execute("drop database {} with (force)", _name_of(url))
        self._made.remove(url)

    def _execute(self, statement: LiteralString, *names: str) -> None:
        with psycopg.connect(self.url, autocommit=True, connect_timeout=_SECONDS) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


class PostgresServer(Databases):
    """A server of our own, on loopback alone: it may be stopped and restarted, and leaves nothing behind."""

    def __init__(self, programs: Path, *, options: str = "-c fsync=off") -> None:
        """Take where its programs are; by default nothing waits for the disk, as nothing outlives a test."""
        self.port = _free_port()
        super().__init__(f"postgresql://postgres@127.0.0.1:{self.port}/postgres")
        self.folder = _TEMPORARY / f"pg-{secrets.token_hex(4)}"
        self._programs = programs
        self._options = options
        self._data = self.folder / "data"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def start(self) -> None:
        """Start the server and wait until it answers; the first time, make its folder."""
        if not self.folder.exists():
            self._make()
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -k {self.folder} {self._options}"
        self._control("start", "-o", options)

    def stop(self, mode: Mode = "immediate") -> None:
        """Stop the server: `immediate` is what a crash looks like to everybody connected."""
        self._control("stop", "-m", mode)

    def restart(self, mode: Mode = "immediate") -> None:
        """Stop the server and start it at the same address; return when it answers."""
        self._control("restart", "-m", mode)

    def _make(self) -> None:
        self.folder.mkdir(mode=0o700)
        if _is_root():
            shutil.chown(self.folder, "postgres", "postgres")
        encoding = ("-E", "UTF8", "--locale=C")
        self._run("initdb", "-D", str(self._data), "-A", "trust", "-U", "postgres", "--no-sync", *encoding)

    def _remove(self) -> None:
        try:
            if (self._data / "postmaster.pid").exists():
                self.stop()
        finally:
            if self.folder.exists():
                shutil.rmtree(self.folder)

    def _control(self, action: str, *options: str) -> None:
        log = str(self.folder / "log")
        self._run("pg_ctl", action, "-D", str(self._data), "-l", log, "-w", "-t", str(_SECONDS), *options)

    def _run(self, program: str, *arguments: str) -> None:
        """Run a program of the server, as user postgres where we are root, which the server refuses."""
        user = ("runuser", "-u", "postgres", "--") if _is_root() else ()
        done = subprocess.run(
            [*user, str(self._programs / program), *arguments],
            cwd=self.folder,
            env={name: value for name, value in os.environ.items() if not name.startswith("PG")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=2 * _SECONDS,
        )
        if done.returncode != 0:
            problem = f"{done.stderr}\n{self._end_of_log()}".strip()
            raise RuntimeError(f"{program} {arguments[0]} failed: {problem}")

    def _end_of_log(self) -> str:
        log = self.folder / "log"
        return log.read_text(errors="replace")[-1000:] if log.exists() else ""


@pytest.fixture(scope="session")
def postgres_programs() -> Path:
    """Find the programs of a PostgreSQL server on this machine."""
    programs = find_postgresql()
    if programs is None:
        pytest.skip("needs PostgreSQL (on Debian and Ubuntu: apt install postgresql)")
    return programs


@pytest.fixture(scope="session")
def postgres_server(postgres_programs: Path) -> Iterator[PostgresServer]:
    """Start a server that tests share, and may restart."""
    if os.environ.get(DSN):
        pytest.skip(f"needs a server that it may restart, and {DSN} names another")
    with PostgresServer(postgres_programs) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_databases(request: pytest.FixtureRequest) -> Iterator[Databases]:
    """Make databases on the server that a developer names, or else on the one that tests share."""
    url = os.environ.get(DSN)
    if url:
        with Databases(url) as databases:
            yield databases
    else:
        yield request.getfixturevalue("postgres_server")


def _name_of(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


def _is_root() -> bool:
    return os.geteuid() == 0


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
