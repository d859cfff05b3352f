"""How fast files are read, checked and planned, and in how much memory."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pyarrow import csv as pacsv

from batch_issuer.acceptance import Checked, input_options, next_rows
from batch_issuer.intake import check_rows, open_source
from batch_issuer.planning import plan_requests
from batch_issuer.reports.summary import ProblemTally
from batch_issuer.settings import Settings
from benchmarks.data import write_customers, write_groups, write_right, write_wrong
from benchmarks.figures import Figure, Goal, in_turns
from benchmarks.stage import environment

_MEGABYTE = 1e6
_KILOBYTE = 1024


def measure(rows: int, rounds: int, folder: Path) -> Iterator[Figure]:
    """Measure files that are right, wrong, and of many groups."""
    plain, right, wrong, groups = (folder / f"{name}.csv" for name in ("plain", "right", "wrong", "groups"))
    write_customers(plain, rows)
    ours, limit = in_turns(rounds, lambda: check_and_plan(plain), lambda: read_with_arrow(plain))
    yield Figure(
        name=f"read, validate and plan {rows:,} rows",
        ours=ours,
        against="read them with pyarrow, in a stream",
        other=limit,
        goal=Goal(bound=3.0),
    )
    write_right(right, rows)
    write_wrong(wrong, rows)
    ours, limit = in_turns(rounds, lambda: check_and_plan(wrong), lambda: check_and_plan(right))
    yield Figure(
        name=f"read and validate {rows:,} rows, each wrong",
        ours=ours,
        against="the same, all right",
        other=limit,
        goal=Goal(bound=4.0),
    )
    few = rows // 5
    write_groups(groups, few)
    ours, limit = in_turns(rounds, lambda: check_and_plan(groups), lambda: check_and_plan(right))
    yield Figure(
        name=f"read, validate and plan {few:,} groups of one row",
        ours=ours,
        against=f"{rows:,} rows of the same columns in 50 groups",
        other=limit,
        goal=Goal(bound=2.0),
    )


def check_and_plan(path: Path) -> int:
    """Read, validate and plan a file, and count its problems; return the number of requests."""
    checked, tally = Checked(), ProblemTally()
    blocks = check_rows(open_source(path, input_options(Settings.model_validate({}).public())))
    while (rows := next_rows(blocks, checked)) is not None:
        tally.add_all(rows.problems)
    return plan_requests(checked.rows.take(), chunk_size=100).request_count


def read_with_arrow(path: Path) -> int:
    """Read a file in a stream, and return its rows."""
    options = pacsv.ReadOptions(block_size=1 << 20)
    return sum(batch.num_rows for batch in pacsv.open_csv(path, read_options=options))


def peak_megabytes(*command: str, environ: dict[str, str] | None = None) -> float:
    """Run a Python program to its end, and return the most memory that it has taken."""
    program = (
        "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL);"
        " print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, sys.executable, *command],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=environ or environment(),
    )
    return int(told.stdout) * _KILOBYTE / _MEGABYTE
