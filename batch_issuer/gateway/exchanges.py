"""What an exchange was for, and who hears how long it took."""

from collections.abc import Callable
from enum import StrEnum


class Operation(StrEnum):
    """What an exchange with the API was for."""

    SUBMIT = "submit"
    LIST = "list"
    DECIDE = "decide"
    BADGE = "badge"
    TOKEN = "token"  # noqa: S105 - an operation


Heard = Callable[[Operation, int | None, float], None]
"""Hears of each exchange: what it was for, the HTTP status (None without an answer), and its seconds."""


def nobody(operation: Operation, status: int | None, seconds: float) -> None:
    """Hear nothing."""
