"""A batch that is sent by a real cluster while its pieces die, and how it is judged at the end."""

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg

from tests.cluster.processes import Cluster, wait_for
from tests.end_to_end.conftest import (
    SHORT_TIMES,
    Process,
    Server,
    Terminal,
    finish,
    lines_in,
    open_sandbox,
    open_terminal,
    wait_while_it_runs,
)

COMMAND: Final = (sys.executable, "-m", "tests.end_to_end.short_leases")
PRELOAD: Final = {"DASK_DISTRIBUTED__WORKER__PRELOAD": "tests.cluster.short_leases"}
CONCURRENCY: Final = 4
FIRST: Final = 700_000_000
BADGES: Final = ("0123456789abcdef01234567", "89abcdef0123456789abcdef")
CUSTOMERS: Final = 48
SANDBOX: Final = ("--latency", "0.05", "--decide-after", "0")
_SAME: Final = ("row", "customer_id", "badge_meta_id", "outcome", "state", "error_code", "error_message")
"""The columns that hold neither times, nor ids that the server or the batch's name make."""


def input_text() -> str:
    """Write customers with some duplicates and mistakes, and line breaks within cells."""
    lines = ["customer_id,badge_meta_id,note"]
    for n in range(CUSTOMERS):
        lines.append(f'{FIRST + n},{BADGES[n % 2]},"a note, over\ntwo lines"')
        if n % 9 == 0:
            lines.append(f"{FIRST + n // 2},{BADGES[n // 2 % 2]},once more")
        if n % 11 == 0:
            lines.append(f'1.1E+08,{BADGES[0]},"digits ""lost"""')
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """One batch, its cluster, and dice that a seed decides."""

    terminal: Terminal
    server: Server
    cluster: Cluster
    dice: random.Random

    @property
    def issue(self) -> tuple[str, ...]:
        """The command that sends the batch, slowly."""
        terms = ("--rate", "900", "--chunk-size", "1", "--concurrency", str(CONCURRENCY))
        return ("issue", "in.csv", "--on-invalid", "skip", "--max-invalid", "100%", *terms)

    def start(self) -> Process:
        """Begin to send, and return at a moment that the dice decide."""
        process = self.terminal.start(*self.issue)
        count = self.dice.randrange(3, CUSTOMERS // 2)
        wait_while_it_runs(process, lambda: self.server.accepted() >= count)
        time.sleep(self.dice.uniform(0, 0.15))
        return process

    def sent(self) -> Counter[int]:
        """Count how often each customer was sent."""
        return Counter(self.server.customers())

    def resume_to_the_end(self) -> None:
        """Resume until nothing is left to do."""
        for _ in range(5):
            done = self.terminal.run("resume", "--rate", "0")
            assert "Traceback" not in done.stderr
            if done.returncode in {0, 2, 4}:  # done before, all is well, or some rows are invalid
                return
        raise AssertionError(f"not finished: {done.returncode} {done.stderr} {done.stdout}")

    def problems(self, alone: list[dict[str, str]]) -> list[str]:
        """Name all that is missing, was sent twice, or is told otherwise than by one process alone."""
        sent, wanted = self.sent(), Counter(range(FIRST, FIRST + CUSTOMERS))
        lines = lines_in(self.terminal.batch_folder())
        return [
            *(f"{customer} is missing" for customer in wanted - sent),
            *(f"{customer} was sent {sent[customer]} times" for customer in sent - wanted),
            *(
                f"told otherwise: {ours} instead of {theirs}"
                for ours, theirs in zip(told(lines), told(alone), strict=True)
                if ours != theirs
            ),
        ]

    def lose(self) -> None:
        """Say what the members of the cluster have logged, for whoever reads why a test failed."""
        for name, member in self.cluster.members.items():
            sys.stderr.write(f"--- {name}\n{member.told()[-3000:]}\n")

    def ask(self, query: str) -> object:
        """Ask the ledger for one figure."""
        url = self.terminal.settings["BATCH_ISSUER_LEDGER"]
        with psycopg.connect(url, autocommit=True) as connection:
            row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None

    def is_in_a_write(self) -> bool:
        """Tell whether somebody is within a transaction; one that stands still there is ended after 20 s."""
        others = "datname = current_database() and pid <> pg_backend_pid() and xact_start is not null"
        return bool(self.ask(f"select count(*) from pg_stat_activity where {others}"))  # noqa: S608 - our words

    def wait_until_leases_have_run_out(self) -> None:
        """Wait for as long as somebody who stands still now holds anything."""
        end = self.ask("select max(expires_uptime) from leases where owner <> ''")
        assert isinstance(end, int)
        wait_for(lambda: time.clock_gettime(time.CLOCK_BOOTTIME) > end / 1e6, "leases to run out")


def told(lines: list[dict[str, str]]) -> list[tuple[str, ...]]:
    """Return what is the same of a reconciliation whoever sends the batch: the chunk of each row, too."""
    return [(*(line[name] for name in _SAME), _chunk(line["request_id"])) for line in lines]


def _chunk(request_id: str) -> str:
    return request_id.rpartition("-")[2][:7]


def lines_of_one_process(folder: Path) -> list[dict[str, str]]:
    """Issue the same file by one process, and return what it tells."""
    with open_terminal(folder) as terminal, open_sandbox(*SANDBOX) as server:
        terminal.settings = {**server.settings, **SHORT_TIMES}
        (folder / "in.csv").write_text(input_text())
        options = ("--on-invalid", "skip", "--max-invalid", "100%", "--chunk-size", "1", "--rate", "0")
        done = finish(terminal.start("issue", "in.csv", *options))
        assert done.returncode == 4, done.stderr
        summary = json.loads((terminal.batch_folder() / "summary.json").read_text())
        assert summary["counts"]["issued"] == CUSTOMERS
        return terminal.lines()


@contextmanager
def open_play(folder: Path, ledger: str, seed: int, *, workers: int = 2) -> Iterator[Play]:
    """Start a sandbox and a cluster for one batch."""
    with ExitStack() as stack:
        server = stack.enter_context(open_sandbox(*SANDBOX))
        settings = {**server.settings, **SHORT_TIMES, "BATCH_ISSUER_LEDGER": ledger}
        cluster = stack.enter_context(Cluster(folder=folder, environment={**settings, **PRELOAD}))
        cluster.start(workers=workers)
        terminal = stack.enter_context(open_terminal(folder))
        terminal.command = COMMAND
        terminal.settings = {**settings, "BATCH_ISSUER_ENGINE": cluster.engine}
        (folder / "in.csv").write_text(input_text())
        dice = random.Random(seed)  # noqa: S311 - to repeat a run
        yield Play(terminal=terminal, server=server, cluster=cluster, dice=dice)
