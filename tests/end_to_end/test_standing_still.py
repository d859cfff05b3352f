"""A process stands still while it sends, another one finishes its batch, and it wakes."""

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError

from tests.end_to_end.conftest import (
    EACH_DATABASE,
    SHORT_TIMES,
    Process,
    Server,
    Terminal,
    finish,
    ledger_settings,
    open_terminal,
    wait_while_it_runs,
)

pytestmark = pytest.mark.end_to_end

COMMAND = (sys.executable, "-m", "tests.end_to_end.short_leases")
FIRST = 700_000_000
EACH = 40
SEEDS = (11, 12)
CONCURRENCY = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One process that is stopped at a moment that the seed decides, with a ledger of its own."""

    seed: int
    terminal: Terminal
    server: Server
    engine: Engine

    @property
    def customers(self) -> range:
        return range(FIRST + 1_000 * self.seed, FIRST + 1_000 * self.seed + EACH)

    def sent(self) -> Counter[int]:
        """Count how often each customer of this round was sent."""
        return Counter(customer for customer in self.server.customers() if customer in self.customers)

    def ask(self, query: str) -> Any:
        """Ask the ledger for one figure."""
        with self.engine.connect() as connection:
            return connection.exec_driver_sql(query).scalar_one()

    def is_in_a_write(self) -> bool:
        """Tell whether a process that is stopped now keeps others from writing.

        A file stays locked for as long as that lasts; a server ends such a transaction after 20 s.
        """
        if self.engine.dialect.name == "postgresql":
            others = "datname = current_database() and pid <> pg_backend_pid() and xact_start is not null"
            return bool(self.ask(f"select count(*) from pg_stat_activity where {others}"))  # noqa: S608 - our own words
        try:
            with self.engine.connect() as connection:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError:
            return True
        return False


@pytest.fixture(params=EACH_DATABASE)
def rounds(
    request: pytest.FixtureRequest, start_sandbox: Callable[..., Server], tmp_path: Path
) -> Iterator[list[Round]]:
    server = start_sandbox("--latency", "0.05", "--decide-after", "0")
    with ExitStack() as stack:
        yield [stack.enter_context(open_round(seed, request, server, tmp_path)) for seed in SEEDS]


@contextmanager
def open_round(seed: int, request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> Iterator[Round]:
    folder = tmp_path / str(seed)
    folder.mkdir()
    ledger = ledger_settings(request.param, request)
    url = ledger.get("BATCH_ISSUER_LEDGER", f"sqlite:///{folder / 'output' / 'ledger.db'}")
    driver = url.replace("postgresql:", "postgresql+psycopg:")
    engine = create_engine(driver, poolclass=NullPool, connect_args={} if ledger else {"timeout": 0.1})
    with open_terminal(folder) as terminal:
        terminal.command = COMMAND
        terminal.settings = {**server.settings, **ledger, **SHORT_TIMES}
        yield Round(seed=seed, terminal=terminal, server=server, engine=engine)
    engine.dispose()


def stop_in_mid_sending(play: Round, process: Process) -> None:
    """Stop a process at a random moment, but not within a write."""
    dice = random.Random(play.seed)  # noqa: S311 - to repeat a run
    wait_until_sent(play, process, dice.randrange(4, EACH // 2))
    for _ in range(20):
        with suppress(TimeoutExpired):
            process.wait(timeout=dice.uniform(0, 0.1))
        process.send_signal(signal.SIGSTOP)
        ended = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        assert ended is not None
        assert ended.si_code == os.CLD_STOPPED, process.communicate()
        if not play.is_in_a_write():
            return
        process.send_signal(signal.SIGCONT)
    raise AssertionError("it is always in a write")


def wait_until_sent(play: Round, process: Process, count: int) -> None:
    wait_while_it_runs(process, lambda: play.sent().total() >= count)


def wait_until_the_lease_has_run_out(play: Round, process: Process) -> None:
    end = play.ask("select max(expires_uptime) from leases where owner <> ''") / 1e6
    wait_while_it_runs(process, lambda: time.clock_gettime(time.CLOCK_BOOTTIME) > end)


def stand_still_and_wake(play: Round) -> None:
    terminal = play.terminal
    terminal.write(play.customers)
    sleeper = terminal.start(
        *("issue", "in.csv", "--rate", "600", "--chunk-size", "1", "--concurrency", str(CONCURRENCY))
    )
    stop_in_mid_sending(play, sleeper)
    sent_before = play.sent().total()
    wait_until_the_lease_has_run_out(play, sleeper)

    resumed = terminal.run("resume", "--rate", "0")
    assert resumed.returncode == 0, resumed.stderr
    assert sent_before < EACH
    assert play.sent() == Counter(play.customers), "while it stood still, each was sent once"
    finished = terminal.batch_folder() / "reconciliation.csv"
    told = finished.read_bytes()

    sleeper.send_signal(signal.SIGCONT)
    woken = finish(sleeper)
    assert woken.returncode == 5, woken
    assert "another one has taken over batch" in woken.stderr
    assert "Traceback" not in woken.stderr
    assert finished.read_bytes() == told
    assert {line["outcome"] for line in terminal.lines()} == {"issued"}
    again = play.sent() - Counter(play.customers)  # it may have stopped between its last look and the send
    assert again.total() <= CONCURRENCY
    if play.engine.dialect.name == "sqlite":
        assert play.ask("PRAGMA integrity_check") == "ok"


def test_whoever_wakes_past_its_lease_leaves_the_batch_to_the_one_that_finished_it(
    rounds: list[Round],
) -> None:
    with ThreadPoolExecutor(len(rounds)) as pool:
        list(pool.map(stand_still_and_wake, rounds))
    told = rounds[0].server.truth()
    assert [entry for entry in told["issued"] if entry["times"] > 1] == []
    assert len(told["issued"]) == EACH * len(rounds)
    shown = rounds[0].terminal.run("show", rounds[0].terminal.batch_folder().name, "--json")
    figures = json.loads(shown.stdout)
    assert (shown.returncode, figures["exit_code"]) == (0, 0), shown
    assert figures["counts"]["issued"] == figures["totals"]["rows_in"] == EACH
