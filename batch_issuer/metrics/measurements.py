"""What a run measures of itself while it works: cheap to take, and made into metrics at its end."""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from batch_issuer.gateway import Operation

BOUNDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the buckets of durations, in seconds; behind the last there is one more."""


class Durations:
    """Counts durations in fixed buckets."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        """Start with none."""
        self.counts = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """Take one."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds

    def take(self, other: "Durations") -> None:
        """Take all that others are."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.seconds += other.seconds


class Measurements:
    """The exchanges of a process with the API, and how much of its pace it used while sending."""

    def __init__(self) -> None:
        """Start with none."""
        self.durations = {operation: Durations() for operation in Operation}
        self.responses: dict[tuple[Operation, int | None], int] = {}
        """How many exchanges ended in which HTTP status; None stands for no answer."""
        self.pace: float | None = None
        """The share of the allowed calls that was made while sending, where something was sent."""
        self._made = self._allowed = 0
        self._paced = 0

    def exchange(self, operation: Operation, status: int | None, seconds: float) -> None:
        """Take one exchange. It is called once for each, on the way of every request."""
        self.durations[operation].add(seconds)
        key = (operation, status)
        self.responses[key] = self.responses.get(key, 0) + 1
        self._paced += operation is not Operation.TOKEN  # the pace leaves that one out

    @contextmanager
    def sending(self, *, seconds_between_calls: float, uptime: Callable[[], float]) -> Iterator[None]:
        """Compare the calls that are made within with those that the rate allows in that time."""
        began, before = uptime(), self._paced
        try:
            yield
        finally:
            made = self._paced - before
            if made and seconds_between_calls:
                self._made += made
                self._allowed += 1 + int((uptime() - began) / seconds_between_calls)
                self.pace = self._made / self._allowed

    def take(self, others: "Measurements") -> None:
        """Take all exchanges of another process that worked for this one."""
        for key, count in others.responses.items():
            self.responses[key] = self.responses.get(key, 0) + count
        for operation, durations in others.durations.items():
            self.durations[operation].take(durations)
        self._paced += others._paced  # noqa: SLF001 - one of its kind

    def after(self, earlier: "Measurements") -> "Measurements":
        """Return what both have counted; the pace is that of the later one, where it has one."""
        both = Measurements()
        both.pace = earlier.pace if self.pace is None else self.pace
        both.take(earlier)
        both.take(self)
        return both
