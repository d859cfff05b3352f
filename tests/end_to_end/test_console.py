"""`serve` as a process: killed in mid-run it goes on when it is started again, and open pages catch up."""

import json
import os
import re
import signal
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.end_to_end.conftest import (
    BADGE,
    SHORT_TIMES,
    Process,
    Server,
    Terminal,
    finish,
    lines_in,
    wait_for_posts,
    wait_while_it_runs,
)

pytestmark = pytest.mark.end_to_end

CUSTOMERS = list(range(700_000_000, 700_000_060))


class Console:
    """A console as another system, or a page that is open, meets it."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.port = "0"
        self.token = ""
        self.password = ""
        self.cookie = ""

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Process:
        """Start `serve`, at the same address as before."""
        process = self.terminal.start("serve", "--port", self.port)
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())
        assert found is not None
        self.port = found[1]
        return process

    def add_user(self, name: str, *roles: str) -> None:
        """Give somebody an account with a token."""
        chosen = [option for role in roles for option in ("--role", role)]
        done = self.terminal.run("users", "add", name, *chosen, "--generate")
        assert done.returncode == 0, done.stderr
        self.password = done.stdout.split()[-1]
        made = self.terminal.run("users", "token", name, "--for", "a test")
        self.token = made.stdout.split()[-1]

    def sign_in(self, name: str) -> None:
        """Sign a browser in."""
        connection = HTTPConnection("127.0.0.1", int(self.port), timeout=60)
        form = urlencode({"user": name, "password": self.password})
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        with closing(connection):
            connection.request("POST", "/sign-in", form, kind)
            self.cookie = (connection.getresponse().getheader("Set-Cookie") or "").partition(";")[0]

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> HTTPResponse:
        """Ask for anything, a page as a browser and the rest as a system."""
        who = (
            {"Authorization": f"Bearer {self.token}"} if path.startswith("/api/") else {"Cookie": self.cookie}
        )
        sent = {**who, **headers}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=body, headers=sent)
        answer: HTTPResponse = urllib.request.urlopen(request, timeout=60)  # noqa: S310 - as above
        return answer

    def json(self, path: str, body: bytes | None = None, **headers: str) -> dict[str, Any]:
        """Ask for JSON."""
        with self.ask(path, body, **headers) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def issue(self, customers: list[int], key: str = "") -> dict[str, Any]:
        """Create a batch."""
        rows = "".join(f"{customer},{BADGE}\n" for customer in customers)
        named = {"Idempotency-Key": key} if key else {}
        return self.json(
            "/api/batches?file_name=in.csv",
            f"customer_id,badge_meta_id\n{rows}".encode(),
            **{"Content-Type": "text/csv", **named},
        )

    def events(self, path: str) -> Iterator[tuple[str, str]]:
        """Yield what an open page hears, until the stream ends."""
        name = ""
        with suppress(HTTPException, OSError), self.ask(path) as answer:
            for line in answer:
                text = line.decode().rstrip("\n")
                if text.startswith("event: "):
                    name = text.removeprefix("event: ")
                elif text.startswith("data: "):
                    yield name, text.removeprefix("data: ")


def until(events: Iterator[tuple[str, str]], words: str) -> Iterator[tuple[str, str]]:
    """Yield events until one says some words. Fails where the stream ends before."""
    for name, data in events:
        yield name, data
        if words in data:
            return
    pytest.fail(f"the stream ended without {words!r}")


@contextmanager
def killed(process: Process) -> Iterator[None]:
    """Kill a process, and see that it is gone."""
    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    yield
    process.communicate()


def settings_of(server: Server) -> dict[str, str]:
    """Return settings with which a run takes some time."""
    slow = {"BATCH_ISSUER_RATE": "0", "BATCH_ISSUER_CHUNK_SIZE": "1", "BATCH_ISSUER_CONCURRENCY": "2"}
    return {**server.settings, **SHORT_TIMES, **slow}


@pytest.fixture
def server(start_sandbox: Callable[..., Server], terminal: Terminal) -> Server:
    started = start_sandbox("--latency", "0.05", "--decide-after", "0")
    terminal.settings = settings_of(started)
    return started


@pytest.fixture
def console(terminal: Terminal, shared_ledger: dict[str, str], server: Server) -> Console:
    assert server.url
    terminal.settings |= shared_ledger
    return Console(terminal)


def test_a_server_that_is_killed_in_mid_run_finishes_it_when_it_is_started_again(
    server: Server, console: Console
) -> None:
    console.add_user("mia", "maker")
    first = console.start()
    made = console.issue(CUSTOMERS, key="order 7")
    wait_for_posts(server, first, 10)
    batch = console.json(f"/api/runs/{made['run']}")["batch"]
    console.sign_in("mia")
    page = console.events(f"/batches/{batch}/events")
    assert next(page)[0] == "figures"
    with killed(first):
        list(page)  # the stream breaks off
    assert server.accepted() < len(CUSTOMERS)
    console.start()
    heard = [data for name, data in until(console.events(f"/batches/{batch}/events"), "Done")]
    assert heard
    ended = console.json(f"/api/runs/{made['run']}")
    assert (ended["batch"], ended["exit_code"]) == (batch, 0)
    assert Counter(server.customers()) == Counter(CUSTOMERS)
    lines = lines_in(console.terminal.folder / "output" / batch)
    assert Counter(line["outcome"] for line in lines) == {"issued": len(CUSTOMERS)}
    assert console.issue(CUSTOMERS, key="order 7")["run"] == made["run"]
    assert server.accepted() == len(CUSTOMERS)


def test_a_server_that_is_stopped_ends_in_order_and_streams_with_it(server: Server, console: Console) -> None:
    console.add_user("mia", "maker")
    process = console.start()
    made = console.issue(CUSTOMERS)
    wait_for_posts(server, process, 5)
    batch = console.json(f"/api/runs/{made['run']}")["batch"]
    console.sign_in("mia")
    page = console.events(f"/batches/{batch}/events")
    next(page)
    process.send_signal(signal.SIGTERM)
    list(page)
    done = finish(process)
    assert done.returncode == 0, done.stderr
    accepted = server.accepted()
    assert 5 <= accepted < len(CUSTOMERS)
    again = console.start()
    wait_while_it_runs(again, lambda: console.json(f"/api/runs/{made['run']}")["ended_at"] != "")
    assert Counter(server.customers()) == Counter(CUSTOMERS)


def test_a_second_server_on_the_same_ledger_is_refused_in_one_line(console: Console) -> None:
    console.start()
    refused = console.terminal.run("serve", "--port", "0")
    assert refused.returncode == 7
    assert refused.stdout == ""
    assert refused.stderr.startswith("batch-issuer: process ")
    assert "serves the console with this ledger already" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_server_that_is_killed_again_and_again_loses_nothing_and_sends_nothing_twice(
    server: Server, terminal: Terminal
) -> None:
    console = Console(terminal)
    console.add_user("mia", "maker")
    process = console.start()
    made = console.issue(CUSTOMERS)
    for count in (0, 3, 20, 45):  # the first right after the file was taken
        wait_for_posts(server, process, count)
        with killed(process):
            process = console.start()
    wait_while_it_runs(process, lambda: console.json(f"/api/runs/{made['run']}")["ended_at"] != "")
    ended = console.json(f"/api/runs/{made['run']}")
    assert ended["exit_code"] == 0, ended["message"]
    assert Counter(server.customers()) == Counter(CUSTOMERS)
    lines = lines_in(terminal.folder / "output" / ended["batch"])
    assert [int(line["customer_id"]) for line in lines] == CUSTOMERS
    assert {line["outcome"] for line in lines} == {"issued"}
