"""How fast a command is there."""

import subprocess
import sys
from collections.abc import Iterator
from functools import partial

from benchmarks.figures import Figure, Goal, in_turns
from benchmarks.stage import run_command


def measure(rounds: int) -> Iterator[Figure]:
    """Measure the start of commands that do next to nothing."""
    for option, seconds in (("--version", 0.15), ("--help", 0.4)):
        (ours,) = in_turns(rounds, partial(run_command, option))
        yield Figure(name=f"`batch-issuer {option}`", ours=ours, goal=Goal(bound=seconds))
    (bare,) = in_turns(rounds, lambda: subprocess.run([sys.executable, "-c", "pass"], check=True))
    yield Figure(name="`python -c pass`", ours=bare)
