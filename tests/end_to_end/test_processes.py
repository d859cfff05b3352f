"""Several commands at once on one ledger: each batch is one process's at a time, each customer sent once."""

import os
import re
import signal
from collections import Counter
from collections.abc import Callable

import pytest

from tests.end_to_end.conftest import (
    SHORT_TIMES,
    Process,
    Server,
    Terminal,
    lines_in,
    wait_for_posts,
)

pytestmark = pytest.mark.end_to_end

FIRST = 700_000_000
ROUNDS = 2
ROWS = 120


@pytest.fixture
def server(start_sandbox: Callable[..., Server], terminal: Terminal, shared_ledger: dict[str, str]) -> Server:
    started = start_sandbox("--latency", "0.05", "--decide-after", "0")
    terminal.settings = {**started.settings, **shared_ledger, **SHORT_TIMES}
    return started


def kill(process: Process) -> None:
    """Kill a command, and leave it a zombie, as a supervisor does that never asks for its end."""
    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def test_a_batch_is_one_processes_at_a_time_and_taken_over_at_once_when_that_was_killed(
    server: Server, terminal: Terminal
) -> None:
    terminal.write(range(FIRST, FIRST + ROWS))
    first = terminal.start("issue", "in.csv", "--chunk-size", "1", "--rate", "600")
    wait_for_posts(server, first, 2)
    second = terminal.run("resume")
    assert first.poll() is None
    assert (second.returncode, second.stdout) == (7, "")
    assert f"process {first.pid} on " in second.stderr
    assert f"works on batch {terminal.batch_folder().name}; wait for it to end" in second.stderr

    kill(first)
    assert server.accepted() < ROWS - 30
    resume = ("resume", "--rate", "1800")
    works, refused = sorted(terminal.run_together(resume, resume), key=lambda done: done.returncode)
    assert works.returncode == 0, works.stderr  # its lease would have run for a minute
    assert refused.returncode in {7, 2}, refused.stderr
    assert re.search(r"process \d+ on .* works on batch|there is nothing to resume", refused.stderr)
    assert Counter(server.customers()) == Counter(range(FIRST, FIRST + ROWS))
    assert Counter(line["outcome"] for line in terminal.lines()) == {"issued": ROWS}


def test_of_batches_issued_at_the_same_moment_each_customer_is_sent_by_one_of_them(
    server: Server, terminal: Terminal
) -> None:
    for number in range(ROUNDS):
        first = FIRST + 1_000 * number
        files = {f"{number}a.csv": range(first, first + 60), f"{number}b.csv": range(first + 30, first + 90)}
        for name, customers in files.items():
            terminal.write(customers, name)
        commands = [("issue", name, "--rate", "0", "--chunk-size", "7") for name in files]
        done = terminal.run_together(*commands)
        assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
        check_shared_customers(terminal, files)
    sent = Counter(server.customers())
    assert set(sent.values()) == {1}
    assert len(sent) == 90 * ROUNDS


def check_shared_customers(terminal: Terminal, files: dict[str, range]) -> None:
    folders = terminal.batch_folders()
    issued = []
    for name, other in zip(files, reversed(files), strict=True):
        lines = lines_in(folders[name])
        assert [int(line["customer_id"]) for line in lines] == list(files[name])
        assert {line["outcome"] for line in lines} <= {"issued", "already_issued"}
        issued += [int(line["customer_id"]) for line in lines if line["outcome"] == "issued"]
        held = [line for line in lines if line["outcome"] == "already_issued"]
        assert all(folders[other].name in line["error_message"] for line in held)
    assert Counter(issued) == Counter({customer for customers in files.values() for customer in customers})


def test_of_the_same_content_issued_at_the_same_moment_one_is_sent_and_one_refused(
    server: Server, terminal: Terminal
) -> None:
    terminal.write(range(FIRST, FIRST + 40))
    command = ("issue", "in.csv", "--rate", "0", "--chunk-size", "7")
    sent, refused = sorted(terminal.run_together(command, command), key=lambda done: done.returncode)
    assert sent.returncode == 0, sent.stderr
    assert refused.returncode == 7, refused.stderr
    assert terminal.batch_folder().name in refused.stderr
    assert [line["outcome"] for line in terminal.lines()] == ["issued"] * 40
    assert Counter(server.customers()) == Counter(range(FIRST, FIRST + 40))
