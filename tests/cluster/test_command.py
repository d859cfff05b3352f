"""The command with an engine, as a user meets it: it ends in order, and says what it lacks."""

import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from tests.certificates import make_authority
from tests.cluster.play import CUSTOMERS, FIRST, told
from tests.cluster.processes import Cluster, living, wait_for
from tests.end_to_end.conftest import (
    COMMAND,
    Process,
    Server,
    Terminal,
    environment,
    finish,
    wait_while_it_runs,
)
from tests.postgresql import Databases

pytestmark = [pytest.mark.cluster, pytest.mark.end_to_end]

LOCAL = ("--engine", "dask://local")
ISSUE = ("issue", "in.csv", "--on-invalid", "skip", "--max-invalid", "100%", "--chunk-size", "1")


def start_alone(terminal: Terminal, *arguments: str) -> Process:
    """Start a command that leads a group of processes, as a shell does."""
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=terminal.folder,
        env={**environment(), **terminal.settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    terminal._started.append(process)
    return process


def test_processes_of_this_machine_tell_what_one_tells_and_leave_nothing_behind(
    server: Server, terminal: Terminal, alone: list[dict[str, str]]
) -> None:
    temporary = terminal.folder / "tmp"
    temporary.mkdir()
    terminal.settings["TMPDIR"] = str(temporary)
    process = start_alone(terminal, *ISSUE, *LOCAL, "--rate", "0")
    done = finish(process)
    assert (done.returncode, done.stderr) == (4, ""), done
    assert told(terminal.lines()) == told(alone)
    assert Counter(server.customers()) == Counter(range(FIRST, FIRST + CUSTOMERS))
    wait_for(lambda: not living(process.pid), "the end of all its processes")
    assert [*temporary.iterdir()] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_to_the_whole_group_drains_and_resume_finishes(
    server: Server, terminal: Terminal, alone: list[dict[str, str]], number: signal.Signals
) -> None:
    process = start_alone(terminal, *ISSUE, *LOCAL, "--rate", "600")
    wait_while_it_runs(process, lambda: server.accepted() >= 5)
    os.killpg(process.pid, number)
    done = finish(process)
    assert (done.returncode, done.stderr) == (5, ""), done
    assert "interrupted" in done.stdout
    counted = Counter(line["outcome"] for line in terminal.lines())
    assert counted["in_doubt"] == 0
    assert counted["issued"] == len(server.customers())

    assert terminal.run("resume", *LOCAL, "--rate", "0").returncode == 4
    assert told(terminal.lines()) == told(alone)
    assert Counter(server.customers()) == Counter(range(FIRST, FIRST + CUSTOMERS))


def test_somebody_impatient_is_told_one_line(server: Server, terminal: Terminal) -> None:
    process = start_alone(terminal, *ISSUE, *LOCAL, "--rate", "600")
    wait_while_it_runs(process, lambda: server.accepted() >= 5)
    for _ in range(3):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.1)
    done = finish(process)
    assert done.returncode == 5, done
    assert done.stderr == "batch-issuer: stopped at once; `batch-issuer resume` goes on\n"
    wait_for(lambda: not living(process.pid), "the end of all its processes")


def test_the_workers_of_a_command_that_is_killed_end_with_it(server: Server, terminal: Terminal) -> None:
    process = start_alone(terminal, *ISSUE, *LOCAL, "--rate", "600")
    wait_while_it_runs(process, lambda: server.accepted() >= 5)
    process.kill()
    process.wait()
    wait_for(lambda: not living(process.pid), "the end of all its processes")


def test_without_the_extra_it_says_how_to_install_it(terminal: Terminal) -> None:
    program = (
        "import sys; sys.modules['distributed'] = None; from batch_issuer.cli import main;"
        "main(['issue', 'in.csv', '--engine', 'dask://local'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=terminal.folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "dask://local needs Dask" in done.stderr
    assert "pip install 'batch_issuer[cluster]'" in done.stderr


@pytest.mark.usefixtures("server")
def test_a_scheduler_that_is_away_and_a_ledger_that_is_a_file_are_told_in_one_line(
    terminal: Terminal,
) -> None:
    away = ("--engine", "dask://127.0.0.1:9")
    done = terminal.run(*ISSUE, *away)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "needs a ledger that all its workers reach" in done.stderr
    terminal.settings["BATCH_ISSUER_LEDGER"] = "postgresql://nobody@127.0.0.1:9/none"
    done = terminal.run(*ISSUE, *away)
    assert (done.returncode, done.stderr.count("\n")) == (5, 1)
    assert "no scheduler answers at dask://127.0.0.1:9" in done.stderr


@pytest.mark.postgres
def test_doctor_asks_each_worker_and_certificates_keep_strangers_out(
    server: Server, terminal: Terminal, postgres_databases: Databases, tmp_path: Path
) -> None:
    make_authority(tmp_path).serving()
    names = {"CA": "authority.pem", "CERT": "server.pem", "KEY": "server.key"}
    files = {f"BATCH_ISSUER_ENGINE_{name}_FILE": str(tmp_path / file) for name, file in names.items()}
    options = ("--tls-ca-file", "authority.pem", "--tls-cert", "server.pem", "--tls-key", "server.key")
    tls = tuple(part if part.startswith("--") else str(tmp_path / part) for part in options)
    ledger = {"BATCH_ISSUER_LEDGER": postgres_databases.new_database()}
    with Cluster(folder=tmp_path, environment={**server.settings, **ledger}, tls=tls) as cluster:
        cluster.start(workers=1)
        terminal.settings |= {**ledger, "BATCH_ISSUER_ENGINE": cluster.engine}
        assert terminal.run("batches").returncode == 0  # makes the tables
        (terminal.folder / "output").mkdir(exist_ok=True)
        stranger = terminal.run("doctor")
        assert stranger.returncode == 2
        assert "needs ENGINE_CA_FILE and ENGINE_CERT_FILE" in line_of(stranger.stdout, "engine")

        terminal.settings |= files
        known = terminal.run("doctor")
        assert line_of(known.stdout, "engine").startswith(
            f"ok           engine       {cluster.engine} answers: 1 worker"
        )
        assert (known.returncode, known.stderr) == (0, ""), known

        cluster.start_worker("poor", environment={"BATCH_ISSUER_PASSWORD": "", "BATCH_ISSUER_TILL_ID": ""})
        poor = terminal.run("doctor")
        assert poor.returncode == 2
        assert "PASSWORD" in line_of(poor.stdout, "engine")
        assert "Traceback" not in poor.stdout + poor.stderr


def line_of(text: str, check: str) -> str:
    """Return the only line of a check."""
    (line,) = (line for line in text.splitlines() if line[13:].startswith(f"{check} "))
    return line
