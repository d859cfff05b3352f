"""How long a plan takes at the rate limit."""

from typing import Final

PACE_SHARE: Final = 0.99
"""Requests are paced at 1% under the limit: an exact pace jitters over it."""


def seconds_between_calls(rate: float) -> float:
    """Return the distance of two API calls at `rate` calls a minute; 0 where the rate is unlimited."""
    return 60 / (rate * PACE_SHARE) if rate else 0.0


def estimate_seconds(requests: int, *, rate: float) -> float:
    """Return how long submitting takes at least, in seconds."""
    return max(requests - 1, 0) * seconds_between_calls(rate)
