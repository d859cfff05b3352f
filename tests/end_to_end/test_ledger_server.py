"""The ledger's server goes away, is restarted, or gives way to a standby: nothing is lost or sent twice."""

import re
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.end_to_end.conftest import SHORT_TIMES, Server, Terminal, finish, wait_for_posts
from tests.postgresql import PostgresServer

if TYPE_CHECKING:
    from subprocess import CompletedProcess

pytestmark = [pytest.mark.end_to_end, pytest.mark.postgres]

FIRST = 700_000_000
ROWS = 60
SENT = 15
PASSWORD = "hunter2-Ledger-Pa55"
RESUME = ("resume", "--rate", "600")
ISSUE = ("issue", "in.csv", "--rate", "600", "--chunk-size", "1")


@pytest.fixture
def url(postgres_server: PostgresServer) -> str:
    return postgres_server.new_database()


@pytest.fixture
def sandbox(start_sandbox: Callable[..., Server], terminal: Terminal, url: str) -> Server:
    started = start_sandbox("--latency", "0.05", "--decide-after", "0")
    told = url.replace("postgres@", f"postgres:{PASSWORD}@")
    terminal.settings = {**started.settings, **SHORT_TIMES, "BATCH_ISSUER_LEDGER": told}
    terminal.write(range(FIRST, FIRST + ROWS))
    return started


def ended_in_order(done: "CompletedProcess[str]") -> str:
    """Check that a command ended because of its ledger, and return what it said."""
    assert done.returncode == 5, done
    assert "Traceback" not in done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    return done.stderr.splitlines()[-1]


def resumed_to_the_end(terminal: Terminal, sandbox: Server) -> bool:
    """Resume, and tell whether every customer was sent once, and is told as issued."""
    done = terminal.run("resume", "--rate", "0")
    assert done.returncode == 0, done.stderr
    lines = terminal.lines()
    assert [int(line["customer_id"]) for line in lines] == list(range(FIRST, FIRST + ROWS))
    assert {line["outcome"] for line in lines} == {"issued"}
    return Counter(sandbox.customers()) == Counter(range(FIRST, FIRST + ROWS))


def test_a_server_that_goes_away_or_is_restarted_ends_commands_in_order_and_resume_finishes(
    postgres_server: PostgresServer, sandbox: Server, terminal: Terminal
) -> None:
    process = terminal.start(*ISSUE)
    wait_for_posts(sandbox, process, SENT)
    postgres_server.stop("immediate")
    try:
        assert "the ledger can't be used" in ended_in_order(finish(process))
        for done in terminal.run_together(("issue", "in.csv"), ("resume",), ("show",), ("batches",)):
            assert "can't be opened" in ended_in_order(done)
            assert (done.stdout, done.stderr.count("\n")) == ("", 1)
    finally:
        postgres_server.start()

    process = terminal.start(*RESUME)
    wait_for_posts(sandbox, process, 2 * SENT)
    postgres_server.restart("immediate")
    assert re.search("was restarted|can't be used", ended_in_order(finish(process)))
    assert len(sandbox.customers()) < ROWS
    assert resumed_to_the_end(terminal, sandbox)


def test_after_a_standby_took_over_what_seems_unsent_is_looked_up_before_it_is_sent(
    postgres_server: PostgresServer, sandbox: Server, terminal: Terminal, url: str
) -> None:
    process = terminal.start(*ISSUE)
    wait_for_posts(sandbox, process, SENT)
    process.send_signal(signal.SIGINT)
    assert finish(process).returncode == 5
    sent = len(sandbox.customers())

    postgres_server.stop("fast")
    become_standby(postgres_server)
    postgres_server.start()
    forgotten = promote_having_missed_the_last(url, 8)
    assert resumed_to_the_end(terminal, sandbox)
    truth = sandbox.truth()
    assert forgotten == 8
    assert truth["calls"]["GET requests"] > 0
    assert truth["posts"]["received"] == ROWS, f"{sent} before, and each of the others once"


def become_standby(server: PostgresServer) -> None:
    """Let a server that stands still start as a standby, which waits to take over."""
    sign = server.folder / "data" / "standby.signal"
    sign.touch()
    owner = sign.parent.stat()
    shutil.chown(sign, owner.st_uid, owner.st_gid)


def promote_having_missed_the_last(url: str, count: int) -> int:
    """Let a standby take over to which the last transitions never came; return how many those are."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("select pg_promote(wait => true)")
        with connection.transaction():
            connection.execute(
                "create temporary table missed as select request_id from requests "
                "where stage = 'submitted' order by chunk desc limit %s",
                [count],
            )
            connection.execute("delete from attempts where request_id in (select * from missed)")
            connection.execute("delete from workflow_requests where request_id in (select * from missed)")
            done = connection.execute(
                "update requests set stage = 'not_sent', attempts = 0, owner = '', submitted_at = '', "
                "workflow_request_id = '', state = '', outcome = '', is_final = 0, is_definite = 0, "
                "http_status = null where request_id in (select * from missed)"
            )
    return done.rowcount
