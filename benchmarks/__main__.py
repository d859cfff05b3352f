"""What the program takes, beside the limits of the machine and beside its peers, each in turns in one run.

`python -m benchmarks` measures what takes minutes, `--full` what takes longer; `--write` puts the table into
`docs/reference/performance.md`. The data is generated, from a seed.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import cluster, commands, console, intake, pace, reports, submission, whole
from benchmarks.figures import Figure, table_of, write_page


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured."""

    rows: int
    requests: int
    rounds: int
    pace_seconds: float


NORMAL = Size(rows=1_000_000, requests=4_000, rounds=7, pace_seconds=75)
SMALL = Size(rows=2_000, requests=20, rounds=1, pace_seconds=1.5)
"""Enough to see that everything works."""
Part = Callable[[Size, Path], Iterator[Figure]]
PARTS: dict[str, Part] = {
    "commands": lambda size, _: commands.measure(size.rounds),
    "intake": lambda size, folder: intake.measure(size.rows, size.rounds, folder),
    "submission": lambda size, folder: submission.measure(size.requests, size.rounds, folder),
    "pace": lambda size, folder: pace.measure(size.pace_seconds, folder),
    "reports": lambda size, folder: reports.measure(size.rows, size.rounds, folder),
    "console": lambda size, folder: console.measure(
        min(size.rows, 100_000), max(1, size.rounds // 2), folder
    ),
    "issue": lambda size, folder: whole.measure_issue(size.rows, max(1, size.rounds // 2), folder),
}
FULL_PARTS: dict[str, Part] = {
    "growth": lambda size, folder: whole.measure_growth(size.rows, folder),
    "cluster": lambda size, folder: cluster.measure(10 * size.rows, folder),
    "resume": lambda size, folder: whole.measure_resume(10 * size.rows, folder),
}


def measure(names: list[str], size: Size) -> Iterator[Figure]:
    """Measure some parts, each in a folder of its own."""
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            yield from (PARTS | FULL_PARTS)[name](size, Path(folder))


def main() -> int:
    """Measure, print each figure as it comes, and put the table into the documentation where asked."""
    options = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    options.add_argument(
        "parts", nargs="*", help=f"which of {', '.join(PARTS | FULL_PARTS)}; default all but the last three"
    )
    options.add_argument("--full", action="store_true", help="measure ten million rows, too")
    options.add_argument("--small", action="store_true", help="only see that everything works")
    options.add_argument("--write", action="store_true", help="write docs/reference/performance.md")
    chosen = options.parse_args()
    if chosen.write and (chosen.parts or chosen.small):
        options.error("the page shows all figures: --write goes with no parts, and not with --small")
    size = SMALL if chosen.small else NORMAL
    figures = []
    for figure in measure(chosen.parts or [*PARTS, *(FULL_PARTS if chosen.full else ())], size):
        print(figure.line(), file=sys.stderr, flush=True)  # noqa: T201 - progress
        figures.append(figure)
    table = table_of(figures, rounds=size.rounds)
    print(table)  # noqa: T201 - its answer
    if chosen.write:
        write_page(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
