"""What the program takes, beside the limit of the machine: in turns in one run, medians with their spread.

`python -m benchmarks.side_by_side --rows 1_000_000 --write` measures and puts the table into
`docs/reference/performance.md`. The data is generated, from a seed.
"""

import argparse
import asyncio
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pyarrow as pa
from pyarrow import csv as pacsv

from batch_issuer.acceptance import Accepted, Checked, IssueOptions, accept, input_options, next_rows
from batch_issuer.assembly import Services, open_services
from batch_issuer.clock import Clock
from batch_issuer.gateway import read_access
from batch_issuer.intake import check_rows, open_source
from batch_issuer.planning import plan_requests
from batch_issuer.reports.writing import Ending, write_reports
from batch_issuer.settings import Settings

PAGE: Final = Path(__file__).parent.parent / "docs" / "reference" / "performance.md"
_BEGIN, _END = "<!-- figures: begin -->", "<!-- figures: end -->"
_BADGES: Final = 50
_LEAST_ROUNDS: Final = 7
_ROOT: Final = Path(__file__).parent.parent
Work = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One thing measured against another, seconds of each round."""

    name: str
    ours: Sequence[float]
    limit_name: str
    limit: Sequence[float]

    @property
    def ratio(self) -> float:
        """The median of ours over the median of the limit."""
        return statistics.median(self.ours) / statistics.median(self.limit)

    def line(self) -> str:
        """Write it as a line of a table."""
        cells = (self.name, _told(self.ours), self.limit_name, _told(self.limit), f"{self.ratio:.2f}")
        return f"| {' | '.join(cells)} |"


def measure(rows: int, rounds: int, folder: Path) -> Iterator[Figure]:
    """Measure everything, each beside its limit in every round."""
    file = folder / "customers.csv"
    write_customers(file, rows)
    yield _taken_in_turns(
        f"read, validate and plan {rows:,} rows",
        lambda: check_and_plan(file),
        "read them with pyarrow",
        lambda: read_with_arrow(file),
        rounds,
    )
    yield from asyncio.run(_measure_reports(file, rounds, folder))
    command = (sys.executable, "-m", "batch_issuer")
    yield _taken_in_turns(
        "`batch-issuer --version`",
        lambda: _run(*command, "--version"),
        "`python -c pass`",
        lambda: _run(sys.executable, "-c", "pass"),
        rounds,
    )


def write_customers(path: Path, rows: int) -> None:
    """Write a file of customers, their badges taking turns."""
    chance = random.Random(1)  # noqa: S311 - invented data
    badges = [f"{chance.randrange(16**24):024x}" for _ in range(_BADGES)]
    with path.open("w") as file:
        file.write("customer_id,badge_meta_id\n")
        file.writelines(f"{10**11 + n},{badges[n % _BADGES]}\n" for n in range(rows))


def check_and_plan(path: Path) -> int:
    """Read, validate and plan a file; return the number of requests."""
    checked = Checked()
    blocks = check_rows(open_source(path, input_options(Settings.model_validate({}).public())))
    while next_rows(blocks, checked) is not None:
        pass
    return plan_requests(checked.rows.take(), chunk_size=100).request_count


def read_with_arrow(path: Path) -> int:
    """Read a file in a stream, and return its rows."""
    options = pacsv.ReadOptions(block_size=1 << 20)
    return sum(batch.num_rows for batch in pacsv.open_csv(path, read_options=options))


async def _measure_reports(file: Path, rounds: int, folder: Path) -> list[Figure]:
    """Write the files of a batch that was accepted and not sent."""
    async with _accepted(file, folder) as (services, accepted):
        ending = Ending(finished_at=services.clock.timestamp())

        def ours() -> None:
            with services.ledger.snapshot() as connection:
                write_reports(
                    connection,
                    batch=accepted.batch,
                    source=accepted.source,
                    folder=accepted.folder,
                    ending=ending,
                )

        ours()
        text = {name: pa.string() for name in ("customer_id", "request_id")}
        table = pacsv.read_csv(
            accepted.folder / "reconciliation.csv", convert_options=pacsv.ConvertOptions(column_types=text)
        )
        return [
            _taken_in_turns(
                f"write the files of a batch of {table.num_rows:,} rows",
                ours,
                "write its reconciliation with pyarrow",
                lambda: pacsv.write_csv(table, folder / "plain.csv"),
                rounds,
            )
        ]


@asynccontextmanager
async def _accepted(file: Path, folder: Path) -> AsyncIterator[tuple[Services, Accepted]]:
    settings = Settings.model_validate(
        {"base_url": "http://127.0.0.1:9", "username": "u", "password": "p", "output": folder / "output"}
    )
    async with open_services(settings, clock=Clock(), stopping=asyncio.Event()) as services:
        options = IssueOptions(check_badges=False)
        yield services, await accept(services, file, options, read_access(settings))


def _taken_in_turns(name: str, ours: Work, limit_name: str, limit: Work, rounds: int) -> Figure:
    ours(), limit()  # files are in memory, and code is loaded, from the first round on
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for work, seconds in zip((ours, limit), taken, strict=True):
            begun = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - begun)
    return Figure(name=name, ours=taken[0], limit_name=limit_name, limit=taken[1])


def _run(*command: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)


def _told(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds):.3g} s ({min(seconds):.3g} to {max(seconds):.3g})"


def table_of(figures: Sequence[Figure], rounds: int) -> str:
    """Write the figures as a table, and where they were taken."""
    python = f"Python {platform.python_version()}"
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    packages = ", ".join(f"{name} {version(name)}" for name in ("pyarrow", "numpy", "pandas", "pandera"))
    return "\n".join(
        [
            f"{machine}, {python}, {packages}; {rounds} rounds in turns, medians (least to most).",
            "",
            "| what | takes | limit | takes | ratio |",
            "|---|---|---|---|---|",
            *(figure.line() for figure in figures),
        ]
    )


def main() -> int:
    """Measure, print the table, and put it into the documentation where that is asked for."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=_LEAST_ROUNDS)
    options.add_argument(
        "--write", action="store_true", help="put the table into docs/reference/performance.md"
    )
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = list(measure(chosen.rows, chosen.rounds, Path(folder)))
    table = table_of(figures, chosen.rounds)
    print(table)  # noqa: T201 - its answer
    if chosen.write:
        pattern = re.compile(f"{re.escape(_BEGIN)}.*{re.escape(_END)}", re.DOTALL)
        PAGE.write_text(pattern.sub(lambda _: f"{_BEGIN}\n{table}\n{_END}", PAGE.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
