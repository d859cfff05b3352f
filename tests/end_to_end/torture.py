"""The command is killed at random moments under random faults, resumed, and compared with the truth.

`python -m tests.end_to_end.torture --runs 100 --seed 1` runs it at length; a seed repeats a run.
`--ledger postgresql` keeps the ledgers on a PostgreSQL server of its own; `--engine dask` has each run sent
by a scheduler and workers of its own, which are killed at random moments, too.
"""

import argparse
import itertools
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster.play import COMMAND as SHORT_LEASES
from tests.cluster.play import PRELOAD
from tests.cluster.processes import Cluster
from tests.end_to_end.conftest import COMMAND, Process, environment, lines_in, settings_told_by
from tests.postgresql import Databases, PostgresServer, find_postgresql

BADGES = tuple(f"{number:024x}" for number in range(1, 6))
ROWS = 240
SEND = ("--rate", "0", "--concurrency", "6")
_MOST_RESUMES = 40
_TWO_AT_ONCE = 0.4
_MOST_KILLS = 6
_SCHEDULER_SHARE = 0.3


@dataclass(slots=True, kw_only=True)
class Run:
    """One run: its folder, its dice, and what was wrong with it."""

    seed: int
    folder: Path
    lag: float
    dice: random.Random
    settings: dict[str, str] = field(default_factory=dict)
    cluster: Cluster | None = None
    kills: int = 0
    member_kills: int = 0
    """How often a worker or the scheduler was killed."""
    commands: int = 0
    pairs: int = 0
    """How often two commands resumed at once."""
    problems: list[str] = field(default_factory=list)


def run_once(seed: int, folder: Path, *, lag: float = 0.3, ledger: str = "", is_spread: bool = False) -> Run:
    """Issue one file to a sandbox that lies, killing the command now and then; compare at the end.

    The ledger is a file in the folder, unless another is named. A run that is spread has its own cluster.
    """
    run = Run(seed=seed, folder=folder, lag=lag, dice=random.Random(seed))  # noqa: S311 - to repeat a run
    write_input(run)
    sandbox = start_sandbox(run)
    if ledger:
        run.settings["BATCH_ISSUER_LEDGER"] = ledger
    with sandbox, open_cluster(run) if is_spread else nullcontext():
        try:
            drive(run)
            compare(run, truth(run))
        finally:
            sandbox.terminate()
            sandbox.communicate(timeout=20)
    return run


@contextmanager
def open_cluster(run: Run) -> Iterator[None]:
    """Have the run sent by a cluster, some member of which is killed now and then."""
    folder = run.folder / "cluster"
    folder.mkdir()
    ended = threading.Event()
    with Cluster(folder=folder, environment={**run.settings, **PRELOAD}) as cluster:
        run.cluster = cluster.start(workers=2)
        run.settings["BATCH_ISSUER_ENGINE"] = cluster.engine
        killer = threading.Thread(target=kill_members, args=(run, cluster, ended))
        killer.start()
        try:
            yield
        finally:
            ended.set()
            killer.join()


def kill_members(run: Run, cluster: Cluster, ended: threading.Event) -> None:
    """Kill a worker, or now and then the scheduler with all of them; start what is missing."""
    dice = random.Random(f"members {run.seed}")  # noqa: S311 - to repeat a run
    names = (f"worker-{number}" for number in itertools.count(2))
    for _ in range(_MOST_KILLS):
        if ended.wait(dice.uniform(3, 9)):
            return
        run.member_kills += 1
        if dice.random() < _SCHEDULER_SHARE:
            for member in [*cluster.members.values()]:
                member.kill()
            cluster.members.clear()
            cluster.start_scheduler()
            cluster.start_worker(next(names))
            cluster.start_worker(next(names))
        else:
            name = dice.choice([name for name in cluster.members if name != "scheduler"])
            cluster.members.pop(name).kill()
            cluster.start_worker(next(names))


def write_input(run: Run) -> None:
    """Write rows over several badges, with some duplicates and mistakes."""
    lines = ["customer_id,badge_meta_id"]
    for n in range(ROWS):
        lines.append(f"{700_000_000 + n},{run.dice.choice(BADGES)}")
        if run.dice.random() < 0.03:
            lines.append(lines[-1])
        if run.dice.random() < 0.02:
            lines.append(f"1.1E+08,{BADGES[0]}")
    (run.folder / "in.csv").write_text("\n".join(lines) + "\n")


def start_sandbox(run: Run) -> Process:
    """Start a sandbox with a mix of faults and fates that the seed decides."""
    process = subprocess.Popen(
        [
            *COMMAND,
            *("sandbox", "--port", "0", "--seed", str(run.seed), "--decide-after", "0.2"),
            *("--reject-share", "0.1", "--fail-share", "0.1", "--holder-share", "0.05"),
            *("--omit-share", "0.03", "--fault-share", "0.2", "--fault-seconds", "1.2"),
            *("--list-lag", str(run.lag), "--latency", "0.02"),
        ],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    run.settings |= settings_told_by(process)
    run.settings |= {
        "BATCH_ISSUER_TIMEOUT": "1",
        "BATCH_ISSUER_SETTLE": "0.5",
        "BATCH_ISSUER_MAX_ATTEMPTS": "3",
        "BATCH_ISSUER_CHUNK_SIZE": "7",
    }
    return process


def drive(run: Run) -> None:
    """Issue, kill, resume, kill, resume, until nothing is left to send; then follow to the end."""
    issue = ("issue", "in.csv", "--on-invalid", "skip", *SEND)
    code = command(run, *issue, kill=True)
    for _ in range(_MOST_RESUMES):
        if code in {0, 4}:
            break
        code = resume(run, kill=run.kills < 3)
        if code == 2:  # killed before the ledger knew the batch: or there is nothing left to resume
            code = command(run, *issue)
            code = 0 if code == 7 else code
    else:
        run.problems.append(f"not finished after {_MOST_RESUMES} commands (exit {code})")
    follow(run)
    command(run, "retry", batch_folder(run).name, *SEND, kill=True)
    while command(run, "resume", *SEND) not in {0, 2, 4} and run.commands < 2 * _MOST_RESUMES:
        pass
    follow(run)


def follow(run: Run) -> None:
    """Wait for the checker to decide all of it."""
    for _ in range(5):
        if command(run, "refresh", "--rate", "0", "--wait", "12") in {0, 4} and not pending(run):
            break


def resume(run: Run, *, kill: bool) -> int | None:
    """Resume with one command, or now and then with two at once: of those the better code counts."""
    if run.dice.random() >= _TWO_AT_ONCE:
        return command(run, "resume", *SEND, kill=kill)
    run.commands += 2
    run.pairs += 1
    both = [start(run, "resume", *SEND) for _ in range(2)]
    codes = [end(run, process, kill=kill) for process in both]
    done = [code for code in codes if code in {0, 4}]
    if done or codes == [2, 2]:  # killed before the ledger knew the batch: there is nothing to resume
        return done[0] if done else 2
    if set(codes) <= {2, 7}:
        run.problems.append(f"two that resumed at once kept each other out: exits {codes}")
    return next((code for code in codes if code not in {2, 7}), 5)


def command(run: Run, *arguments: str, kill: bool = False) -> int | None:
    """Run a command; where `kill` is set, perhaps not to its end."""
    run.commands += 1
    return end(run, start(run, *arguments), kill=kill)


def start(run: Run, *arguments: str) -> Process:
    """Start a command."""
    return subprocess.Popen(
        [*(SHORT_LEASES if run.cluster else COMMAND), "-q", *arguments],
        cwd=run.folder,
        env={**environment(), **run.settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(run: Run, process: Process, *, kill: bool) -> int | None:
    """Wait for a command's end, or be the end of it; return None where it was killed."""
    with process:
        try:
            _, err = process.communicate(timeout=run.dice.uniform(0.8, 5.0) if kill else 90)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            run.kills += 1
            return None
    if process.returncode == 1 or "Traceback" in err:
        run.problems.append(f"{process.args!r}: exit {process.returncode}: {err.strip()[-300:]}")
    return process.returncode


def truth(run: Run) -> dict[str, Any]:
    """Ask the simulator for its own record."""
    address = f"{run.settings['BATCH_ISSUER_BASE_URL']}/sandbox/truth"
    with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - our own, on loopback
        found: dict[str, Any] = json.load(answer)
    return found


def batch_folder(run: Run) -> Path:
    """Return the folder of the only batch that was sent."""
    (path,) = (run.folder / "output").glob("2*/reconciliation.csv")
    return path.parent


def lines_of(run: Run) -> list[dict[str, str]]:
    """Read the reconciliation of the only batch."""
    return lines_in(batch_folder(run))


def pending(run: Run) -> int:
    """Count the rows that still wait."""
    return sum(line["outcome"] in {"pending", "in_doubt", "not_sent"} for line in lines_of(run))


def compare(run: Run, told: dict[str, Any]) -> None:
    """Note every row that is missing, every customer issued twice, every line that is not true."""
    lines = lines_of(run)
    rows = [int(line["row"]) for line in lines]
    expected = len((run.folder / "in.csv").read_text().splitlines()) - 1
    if rows != list(range(2, 2 + expected)):
        run.problems.append(f"{expected} rows went in, {len(rows)} came out")
    twice = [entry for entry in told["issued"] if entry["times"] > 1]
    created = Counter(record["request_id"] for record in told["requests"])
    run.problems += [f"issued twice: {entry}" for entry in twice]
    if run.lag < 1.0:  # below TIMEOUT + SETTLE nothing is even created twice
        run.problems += [f"created {times} times: {name}" for name, times in created.items() if times > 1]
    results = actual(told)
    for line in lines:
        if line["outcome"] in {"invalid", "duplicate"}:
            continue
        # what the server refused without recording it (a redirect, a 4xx) is failed, too
        true = results.get((int(line["customer_id"]), line["badge_meta_id"]), ("failed", ""))
        if (line["outcome"], line["issued_id"]) != true:
            run.problems.append(f"row {line['row']} is told as {line['outcome']}, and is {true[0]}")


def actual(told: dict[str, Any]) -> dict[tuple[int, str], tuple[str, str]]:
    """Say what truly became of each (customer, badge), the twin that ran before all others."""
    order = {"approved": 0, "AdminTask": 1, "rejected": 2, "failed": 3}
    results: dict[tuple[int, str], tuple[str, str]] = {}
    for record in sorted(told["requests"], key=lambda record: order[record["state"]], reverse=True):
        replies = {reply["customer_id"]: reply for reply in record["results"]}
        for customer in record["customers"]:
            results[customer, record["badge_meta_id"]] = _word(record["state"], replies.get(customer))
    return results


def _word(state: str, reply: dict[str, Any] | None) -> tuple[str, str]:
    match state, reply:
        case (("rejected" | "failed"), _):
            return state, ""
        case "AdminTask", _:
            return "pending", ""
        case _, {"result": "issued", "issued_id": issued_id}:
            return "issued", issued_id
        case _, {"result": "held"}:
            return "issue_failed", ""
        case _:
            return "unaccounted", ""


def main() -> int:
    """Run many seeds, some at a time, and print what happened."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=20)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--jobs", type=int, default=3)
    options.add_argument("--lag", type=float, default=0.3, help="seconds until the list shows a request")
    options.add_argument("--ledger", choices=["sqlite", "postgresql"], default="sqlite")
    options.add_argument("--engine", choices=["none", "dask"], default="none")
    chosen = options.parse_args()
    is_spread = chosen.engine == "dask"
    chosen.ledger = "postgresql" if is_spread else chosen.ledger
    begun = time.monotonic()
    with ExitStack() as stack:
        databases = stack.enter_context(own_server()) if chosen.ledger == "postgresql" else None

        def one(seed: int) -> Run:
            with tempfile.TemporaryDirectory() as folder:
                ledger = databases.new_database() if databases else ""
                return run_once(seed, Path(folder), lag=chosen.lag, ledger=ledger, is_spread=is_spread)

        pool = stack.enter_context(ThreadPoolExecutor(chosen.jobs))
        runs = list(pool.map(one, range(chosen.seed, chosen.seed + chosen.runs)))
    for run in runs:
        for problem in run.problems[:10]:
            print(f"seed {run.seed}: {problem}")  # noqa: T201 - its answer
    failed = sum(bool(run.problems) for run in runs)
    commands, kills, pairs, member_kills = (
        sum(getattr(run, name) for run in runs) for name in ("commands", "kills", "pairs", "member_kills")
    )
    seconds = time.monotonic() - begun
    print(  # noqa: T201 - its answer
        f"{commands} commands, {kills} killed, {pairs} times two at once, {seconds:.0f} s, "
        f"list lag {chosen.lag} s, ledgers in {chosen.ledger}, {member_kills} members of clusters killed"
    )
    print(f"{chosen.runs - failed} passed, {failed} failed")  # noqa: T201 - its answer
    return 1 if failed else 0


def own_server() -> Databases:
    """Return a server for all runs, which each get a database of their own."""
    programs = find_postgresql()
    if programs is None:
        sys.exit("error: needs PostgreSQL (on Debian and Ubuntu: apt install postgresql)")
    return PostgresServer(programs)


if __name__ == "__main__":
    sys.exit(main())
