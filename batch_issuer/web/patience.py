"""How long the console waits for what visitors send."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How slowly a file may come before the console stops waiting for it."""

    seconds_for_a_part: float = 30
    seconds_to_start: float = 60
    """So long any pace will do; then the file must have come at least so fast."""
    bytes_a_second: float = 2_000
    seconds_for_a_form: float = 30
    """So long all fields of a form may take, which are short."""
