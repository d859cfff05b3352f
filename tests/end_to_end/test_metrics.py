"""What a command leaves for Prometheus, and what its log tells, however it ends."""

import csv
import json
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import BADGE, Server, Terminal, finish, wait_for_posts
from tests.metrics.reading import Metrics, promtool, read_metrics, some

pytestmark = pytest.mark.end_to_end

FIRST = 700_000_001
OF_THE_RUN = "batch_issuer_last_run_exit_code"


def metrics(terminal: Terminal) -> Metrics:
    return read_metrics((terminal.folder / "m.prom").read_text())


def events(said: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.splitlines() if not line.startswith("batch-issuer:")]


def write(terminal: Terminal) -> None:
    """Write a file with good, repeated and invalid rows."""
    rows = [*range(FIRST, FIRST + 95), FIRST, FIRST + 1, "x", "-5", "1.5E+08"]
    text = "".join(f"{row},{BADGE}\n" for row in rows)
    (terminal.folder / "in.csv").write_text("customer_id,badge_meta_id\n" + text)


@pytest.fixture
def watched(start_sandbox: Callable[..., Server], terminal: Terminal) -> Terminal:
    """Give a terminal for a sandbox where requests meet many fates, and a file of rows."""
    server = start_sandbox(
        *("--decide-after", "0.5", "--seed", "5"),
        *("--reject-share", "0.2", "--fail-share", "0.1", "--holder-share", "0.1", "--omit-share", "0.05"),
    )
    terminal.settings = {
        **server.settings,
        "BATCH_ISSUER_METRICS_FILE": "m.prom",
        "BATCH_ISSUER_RATE": "6000",
    }
    write(terminal)
    return terminal


def test_the_metrics_are_those_of_the_reconciliation(watched: Terminal) -> None:
    done = watched.run("issue", "in.csv", "--chunk-size", "5", "--on-invalid", "skip", "--wait", "20")
    assert done.returncode == 4, done.stderr
    left = metrics(watched)
    outcomes = Counter(line["outcome"] for line in watched.lines())
    with (watched.batch_folder() / "requests.csv").open(encoding="utf-8-sig", newline="") as file:
        requests = list(csv.DictReader(file))
    assert {"issued", "rejected", "failed", "invalid", "duplicate"} <= outcomes.keys()
    assert some(left["batch_issuer_rows"]) == outcomes
    assert some(left["batch_issuer_requests"]) == Counter(request["state"] for request in requests)
    assert some(left["batch_issuer_requests_by_status"]) == Counter(one["http_status"] for one in requests)
    assert left["batch_issuer_attempts_total"][()] == sum(int(request["attempts"]) for request in requests)
    assert left["batch_issuer_responses_total"]["200", "submit"] == len(requests)
    assert left["batch_issuer_request_duration_seconds_count"]["submit",] == len(requests)
    assert 0 < left["batch_issuer_pace_utilisation_ratio"][()] <= 1
    assert left[OF_THE_RUN] == {("issue",): 4}
    assert (
        left["batch_issuer_last_success_timestamp_seconds"][()]
        <= left["batch_issuer_last_run_timestamp_seconds"]["issue",]
    )


def test_the_tool_of_prometheus_finds_nothing_wrong(watched: Terminal) -> None:
    watched.run("issue", "in.csv", "--on-invalid", "skip")
    assert promtool("check", "metrics", content=(watched.folder / "m.prom").read_text()) == ""


def test_neither_customers_nor_secrets_nor_names_of_files_are_in_metrics_or_log(watched: Terminal) -> None:
    done = watched.run(
        "-vv", "--log-format", "json", "issue", "in.csv", "--on-invalid", "skip", "--wait", "9"
    )
    told = (watched.folder / "m.prom").read_text() + done.stderr
    assert events(done.stderr)
    password = watched.settings["BATCH_ISSUER_PASSWORD"]
    assert [
        text for text in (str(FIRST), str(FIRST + 90), password, "in.csv", "1.5E+08") if text in told
    ] == []


def test_every_command_that_works_with_batches_keeps_what_the_others_left(watched: Terminal) -> None:
    watched.run("issue", "in.csv", "--on-invalid", "skip")
    issued = metrics(watched)
    watched.run("refresh", "--wait", "9")
    (batch,) = (folder.name for folder in [watched.batch_folder()])
    for command in (("retry", batch), ("decide", batch, "reject", "--message", "seen"), ("resume", batch)):
        watched.run(*command)
    left = metrics(watched)
    assert {command for (command,) in left[OF_THE_RUN]} == {"issue", "refresh", "retry", "decide", "resume"}
    assert left[OF_THE_RUN]["issue",] == issued[OF_THE_RUN]["issue",]
    assert left["batch_issuer_responses_total"]["200", "badge"] == 1
    assert left["batch_issuer_responses_total"]["200", "list"] >= 1


@pytest.mark.parametrize("command", ["show", "batches"])
def test_a_command_that_only_looks_leaves_the_file_alone(terminal: Terminal, command: str) -> None:
    (terminal.folder / "m.prom").write_text("what the others left")
    terminal.run("--metrics-file", "m.prom", command)
    assert (terminal.folder / "m.prom").read_text() == "what the others left"


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"PASSWORD": "wrong"}, 6),
        ({"BASE_URL": "http://127.0.0.1:9", "MAX_ATTEMPTS": "1"}, 5),
        ({"LEDGER": "postgresql://nobody@127.0.0.1:9/nothing"}, 5),
        ({"STORE_ID": ""}, 2),
    ],
)
def test_a_run_that_ends_in_an_error_says_so(watched: Terminal, variables: dict[str, str], code: int) -> None:
    watched.settings |= {f"BATCH_ISSUER_{name}": value for name, value in variables.items()}
    watched.write([FIRST])
    done = watched.run("-v", "--log-format", "json", "issue", "in.csv", "--no-check-badges")
    assert done.returncode == code, done.stderr
    assert metrics(watched)[OF_THE_RUN] == {("issue",): code}
    told = events(done.stderr)
    assert (told[0]["event"], told[0]["command"]) == ("command started", "issue")
    assert (told[-1]["event"], told[-1]["command"], told[-1]["code"]) == ("command ended", "issue", code)
    assert told[-1]["seconds"] > 0


def test_a_metrics_file_that_can_not_be_written_is_a_warning(watched: Terminal) -> None:
    watched.write([FIRST])
    done = watched.run(
        "--metrics-file", str(Path("nowhere") / "m.prom"), "--log-format", "json", "issue", "in.csv"
    )
    assert done.returncode == 0
    (event,) = events(done.stderr)
    assert (event["level"], event["event"]) == ("warning", "the metrics file can't be written")
    assert event["reason"] == "No such file or directory"


def test_the_log_tells_the_way_of_a_file_with_its_durations(watched: Terminal) -> None:
    watched.write([FIRST])
    done = watched.run("-v", "--log-format", "json", "issue", "in.csv")
    told = events(done.stderr)
    assert [event["event"] for event in told] == [
        *("command started", "batch accepted", "submitted", "sending finished"),
        *("reports written", "command ended"),
    ]
    timed = [event for event in told if event["event"] != "command started"]
    assert all(event["seconds"] >= 0 for event in timed)
    batch = watched.batch_folder().name
    assert [event["batch"] for event in told[1:-1]] == [batch] * 4


def test_a_run_that_is_stopped_says_that_there_is_more_to_do(
    start_sandbox: Callable[..., Server], terminal: Terminal
) -> None:
    server = start_sandbox()
    terminal.settings = {**server.settings, "BATCH_ISSUER_METRICS_FILE": "m.prom", "BATCH_ISSUER_RATE": "60"}
    terminal.write(range(FIRST, FIRST + 50))
    process = terminal.start("issue", "in.csv", "--chunk-size", "1", "--no-check-badges")
    wait_for_posts(server, process, 2)
    process.send_signal(signal.SIGTERM)
    assert finish(process).returncode == 5
    left = metrics(terminal)
    assert left[OF_THE_RUN] == {("issue",): 5}
    assert left["batch_issuer_unfinished_batches"][()] == 1
    assert left["batch_issuer_pace_utilisation_ratio"][()] > 0.5
    assert "batch_issuer_last_success_timestamp_seconds" not in left
