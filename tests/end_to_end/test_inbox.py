"""`inbox` as schedulers run it: on one folder at the same moment, killed, and as a service."""

import json
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.conftest import (
    BADGE,
    SHORT_TIMES,
    Server,
    Terminal,
    lines_in,
    wait_for_posts,
    wait_while_it_runs,
)

pytestmark = pytest.mark.end_to_end

FIRST = 700_000_000
FILES, ROWS = 5, 20
PASS = ("inbox", "in", "--min-age", "0", "--rate", "0", "--chunk-size", "5")


@pytest.fixture
def server(start_sandbox: Callable[..., Server], terminal: Terminal) -> Server:
    started = start_sandbox("--latency", "0.05", "--decide-after", "0")
    terminal.settings = {**started.settings, **SHORT_TIMES}
    (terminal.folder / "in").mkdir()
    return started


def put(terminal: Terminal, number: int, rows: int = ROWS) -> list[int]:
    customers = list(range(FIRST + 1_000 * number, FIRST + 1_000 * number + rows))
    terminal.write(customers, f"in/{number}.csv")
    return customers


def inside(folder: Path) -> set[str]:
    """Name the files and folders directly in a folder, without reports and what is hidden."""
    return {path.name for path in folder.iterdir() if path.suffix != ".reports" and path.name[0] != "."}


def test_of_two_hosts_at_one_folder_each_file_is_issued_by_one(
    server: Server, terminal: Terminal, shared_ledger: dict[str, str]
) -> None:
    terminal.settings |= shared_ledger
    expected = [customer for number in range(FILES) for customer in put(terminal, number)]
    hosts = [("--output", name, *PASS) for name in (("one", "two") if shared_ledger else ("one", "one"))]
    done = terminal.run_together(*hosts)
    assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
    assert Counter(server.customers()) == Counter(expected)
    assert inside(terminal.folder / "in") == {"done"}
    assert inside(terminal.folder / "in" / "done") == {f"{number}.csv" for number in range(FILES)}
    for number in range(FILES):
        lines = lines_in(terminal.folder / "in" / "done" / f"{number}.csv.reports")
        assert [line["outcome"] for line in lines] == ["issued"] * ROWS


def test_a_pass_that_was_killed_is_finished_by_the_next_one(server: Server, terminal: Terminal) -> None:
    expected = put(terminal, 0, rows=40) + put(terminal, 1)
    slow = ("inbox", "in", "--min-age", "0", "--rate", "300", "--chunk-size", "1")
    first = terminal.start(*slow)
    wait_for_posts(server, first, 3)
    first.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, first.pid, os.WEXITED | os.WNOWAIT)
    assert inside(terminal.folder / "in") == {"0.csv", "1.csv"}
    done = terminal.run(*PASS, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [(file["file"], file["resumed"], file["exit_code"]) for file in told["files"]] == [
        ("0.csv", True, 0),
        ("1.csv", False, 0),
    ]
    assert Counter(server.customers()) == Counter(expected)
    assert inside(terminal.folder / "in" / "done") == {"0.csv", "1.csv"}


def test_a_stop_finishes_what_is_under_way_and_the_next_pass_the_rest(
    server: Server, terminal: Terminal
) -> None:
    expected = put(terminal, 0, rows=40)
    first = terminal.start("inbox", "in", "--min-age", "0", "--rate", "300", "--chunk-size", "1")
    wait_for_posts(server, first, 2)
    first.send_signal(signal.SIGTERM)
    out, err = first.communicate(timeout=60)
    assert first.returncode == 5, err
    assert "0.csv" in out
    assert "resume" in out
    assert terminal.run(*PASS).returncode == 0
    assert Counter(server.customers()) == Counter(expected)


def test_a_service_takes_files_as_they_come_with_the_secrets_of_the_day(
    server: Server, terminal: Terminal
) -> None:
    secret = terminal.folder / "password"
    secret.write_text("of yesterday")
    right = terminal.settings.pop("BATCH_ISSUER_PASSWORD")
    terminal.settings["BATCH_ISSUER_PASSWORD_FILE"] = str(secret)
    service = terminal.start(*PASS, "--watch", "--every", "1", "--no-check-badges", "--json")
    expected = put(terminal, 0)
    ledger = terminal.folder / "output" / "ledger.db"
    wait_while_it_runs(service, lambda: ledger.exists() and refused(server) > 0)
    secret.write_text(right)
    wait_while_it_runs(service, (terminal.folder / "in" / "done" / "0.csv").exists)
    expected += put(terminal, 1)
    wait_while_it_runs(service, (terminal.folder / "in" / "done" / "1.csv").exists)
    service.send_signal(signal.SIGTERM)
    out, err = service.communicate(timeout=60)
    assert service.returncode == 0, err
    assert Counter(server.customers()) == Counter(expected)
    passes = [json.loads(line) for line in out.splitlines()]
    assert passes[0]["exit_code"] == 6
    assert [file["file"] for one in passes for file in one["files"] if file["exit_code"] == 0] == [
        "0.csv",
        "1.csv",
    ]
    assert "of yesterday" not in out + err
    assert right not in out + err


def refused(server: Server) -> int:
    posts: dict[str, int] = server.truth()["posts"]
    return posts["received"] - posts["accepted"]


def test_what_stands_in_the_folders_own_file_holds_for_its_files(server: Server, terminal: Terminal) -> None:
    folder = terminal.folder / "in"
    (folder / "0.csv").write_text("Member No\n1\n2\n")
    (folder / "batch.toml").write_text('badge_meta = "x"\n')
    done = terminal.run(*PASS)
    assert (done.returncode, inside(folder)) == (2, {"0.csv", "batch.toml"})
    assert "did you mean badge_meta_id?" in done.stderr
    (folder / "batch.toml").write_text(
        f'badge_meta_id = "{BADGE}"\nname = "Spring"\nmap = {{ "Member No" = "customer_id" }}\n'
    )
    other = "fedcba987654321001234567"
    assert terminal.run(*PASS, "--badge-meta-id", other).returncode == 0
    (request,) = server.truth()["requests"]
    assert (request["badge_meta_id"], request["customers"]) == (other, [1, 2])
    assert "(Spring)" in terminal.run("batches").stdout


def test_a_folder_that_is_none_is_told_in_a_line(server: Server, terminal: Terminal) -> None:
    done = terminal.run("inbox", "nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "batch-issuer: the folder nowhere does not exist\n"
    assert server.accepted() == 0
