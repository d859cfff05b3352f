"""The command is stopped in every way there is, and nothing is lost or sent twice."""

import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.conftest import SHORT_TIMES, Server, Terminal, wait_for_posts

pytestmark = pytest.mark.end_to_end

FIRST = 700_000_000
ROWS = 400


@pytest.fixture
def server(start_sandbox: Callable[..., Server], terminal: Terminal) -> Server:
    started = start_sandbox("--latency", "0.05", "--decide-after", "0")
    terminal.settings = {**started.settings, **SHORT_TIMES}
    terminal.write(range(FIRST, FIRST + ROWS))
    return started


def test_killed_half_way_resume_sends_only_what_was_not_acknowledged(
    server: Server, terminal: Terminal
) -> None:
    terminal.write(range(FIRST, FIRST + 1000))
    process = terminal.start("issue", "in.csv", "--rate", "0", "--chunk-size", "1", "--concurrency", "8")
    wait_for_posts(server, process, 500)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    acknowledged = server.truth()["posts"]["accepted"]

    resumed = terminal.run("resume", "--rate", "0")
    assert resumed.returncode == 0, resumed.stderr
    sent = Counter(server.customers())
    lines = terminal.lines()
    assert 500 <= acknowledged < 1000
    assert server.truth()["posts"]["received"] <= 1000 + 8  # at most those under way are sent once more
    assert sorted(sent) == list(range(FIRST, FIRST + 1000))
    assert set(sent.values()) == {1}, "a customer was sent twice"
    assert Counter(line["outcome"] for line in lines) == {"issued": 1000}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_drains_and_resume_finishes(
    server: Server, terminal: Terminal, number: signal.Signals
) -> None:
    process = terminal.start("issue", "in.csv", "--rate", "0", "--chunk-size", "4", "--concurrency", "4")
    wait_for_posts(server, process, 20)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 5, err
    assert "interrupted" in out
    assert "Next: batch-issuer resume" in out
    told = Counter(line["outcome"] for line in terminal.lines())
    assert told["issued"] == len(server.customers())
    assert told["issued"] + told["not_sent"] == ROWS

    assert terminal.run("resume", "--rate", "0").returncode == 0
    assert {line["outcome"] for line in terminal.lines()} == {"issued"}
    assert sorted(server.customers()) == list(range(FIRST, FIRST + ROWS))


def test_two_signals_stop_at_once(start_sandbox: Callable[..., Server], terminal: Terminal) -> None:
    server = start_sandbox("--latency", "30")
    terminal.settings = server.settings
    terminal.write(range(FIRST, FIRST + ROWS))
    process = terminal.start("issue", "in.csv", "--rate", "0", "--chunk-size", "100")
    wait_for_posts(server, process, 1)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    while time.monotonic() - begun < 0.5:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 5
    assert "stopped at once" in err
    assert "Traceback" not in err


def test_the_demo_runs_in_an_empty_folder(terminal: Terminal) -> None:
    done = terminal.run("demo")
    assert done.returncode == 4
    assert "each has its line" in done.stdout
    assert done.stderr == ""
    (found,) = (terminal.folder / "output" / "demo").glob("*/*/reconciliation.csv")
    assert len(found.read_text("utf-8-sig").splitlines()) == 201
    assert Path(found.parent / "report.html").is_file()
