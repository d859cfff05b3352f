"""How far a run has come, in memory: what is durable is in the ledger."""

from collections.abc import Callable
from dataclasses import dataclass, field


def _nobody() -> None:
    """Tell nobody."""


@dataclass(slots=True, kw_only=True)
class RunProgress:
    """Hears how far a run has come, and can be looked at while it works."""

    is_waiting: bool = True
    """Whether it waits for other runs to end."""
    checked: int = 0
    planned: int | None = None
    """Requests to send, once that is known."""
    at_rest: int = 0
    on_planned: Callable[[], None] = field(default=_nobody)
    """Called when sending begins: then its batch is accepted."""

    def rows_checked(self, count: int) -> None:
        """Count rows that were read and checked."""
        self.checked += count

    def requests_planned(self, count: int) -> None:
        """Take how many requests will be sent."""
        self.planned, self.at_rest = count, 0
        self.on_planned()

    def request_at_rest(self) -> None:
        """Count a request that needs nothing more now."""
        self.at_rest += 1
