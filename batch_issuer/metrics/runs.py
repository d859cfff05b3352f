"""How the run of a command ended."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How the last run of a command ended."""

    at: float
    """Seconds since 1970."""
    code: int
    seconds: float
    """How long it took."""
