"""Figures: one thing measured beside another, in turns in one run, told as medians with their spread."""

import os
import platform
import re
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parent.parent / "docs" / "reference" / "performance.md"
_BEGIN, _END = "<!-- figures: begin -->", "<!-- figures: end -->"
_PACKAGES: Final = ("pyarrow", "numpy", "pandas", "pandera", "aiohttp", "sqlalchemy", "uvloop", "orjson")
Work = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a figure is asked to be."""

    bound: float
    is_most: bool = True
    """Whether it is asked to be at most that, or at least."""

    def __str__(self) -> str:
        """Write it as it stands in a table."""
        return f"{'<=' if self.is_most else '>='} {self.bound:g}"

    def is_met(self, value: float) -> bool:
        """Tell whether a value is as good as asked."""
        return value <= self.bound if self.is_most else value >= self.bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One thing measured in each round, against another or alone; the goal holds for the ratio, or for it."""

    name: str
    ours: Sequence[float]
    against: str = ""
    other: Sequence[float] = ()
    unit: str = "s"
    goal: Goal | None = None

    @property
    def value(self) -> float:
        """The median of ours over the median of the other, or the median of ours where it stands alone."""
        ours = statistics.median(self.ours)
        return ours / statistics.median(self.other) if self.other else ours

    def line(self) -> str:
        """Write it as a line of a table."""
        asked = "" if self.goal is None else f"{self.goal}{'' if self.other else f' {self.unit}'}"
        met = "" if self.goal is None else ("yes" if self.goal.is_met(self.value) else "**no**")
        ratio = f"{self.value:.3g}" if self.other else ""
        cells = (self.name, self._told(self.ours), self.against, self._told(self.other), ratio, asked, met)
        return f"| {' | '.join(cells)} |"

    def _told(self, values: Sequence[float]) -> str:
        if not values:
            return ""
        spread = f" ({min(values):.3g} to {max(values):.3g})" if len(values) > 1 else ""
        return f"{statistics.median(values):.3g} {self.unit}{spread}"


def in_turns(rounds: int, *works: Work) -> list[list[float]]:
    """Return the seconds of some works, done in turns; one round before them is not counted."""
    for work in works:
        work()  # files are in memory, and code is loaded, from the first round on
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for work, seconds in zip(works, taken, strict=True):
            begun = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - begun)
    return taken


async def seconds_of(work: Awaitable[object]) -> float:
    """Return how long some work takes."""
    begun = time.perf_counter()
    await work
    return time.perf_counter() - begun


def table_of(figures: Iterable[Figure], *, rounds: int) -> str:
    """Write the figures as a table, and where they were taken."""
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return "\n".join(
        [
            f"{machine}, Python {platform.python_version()}, {packages}.",
            (
                f"Medians (least to most) of {rounds} rounds in turns; "
                "3 for ten million rows, a whole issue and the console."
            ),
            "A figure without a spread was taken once.",
            "",
            "| what | takes | beside | takes | ratio | asked | met |",
            "|---|---|---|---|---|---|---|",
            *(figure.line() for figure in figures),
        ]
    )


def write_page(table: str) -> None:
    """Put the table into its page."""
    pattern = re.compile(f"{re.escape(_BEGIN)}.*{re.escape(_END)}", re.DOTALL)
    PAGE.write_text(pattern.sub(lambda _: f"{_BEGIN}\n{table}\n{_END}", PAGE.read_text()))
