"""Checks this machine's clock against the time that the server tells."""

from datetime import timedelta
from typing import Final

from batch_issuer.diagnosis.caller import Heard
from batch_issuer.diagnosis.findings import Finding, not_checked, ok, problem, warning

_GRAIN: Final = timedelta(seconds=1)
"""A Date header has no fractions."""
_NOTICEABLE: Final = timedelta(seconds=30)
_HARMFUL: Final = timedelta(hours=1)
"""The list is asked for by days, one wider on both sides than needed; zones may use up most of that day.
Leases, time-outs and pauses don't depend on it: they go by one clock, or by the database's."""


def check_clock(heard: Heard | None) -> Finding:
    """Say how far the clocks are apart, and what of the work depends on it."""
    if heard is None or heard.answer.dated is None:
        return not_checked("clock", "the server did not tell its time")
    middle = heard.asked_at + (heard.heard_at - heard.asked_at) / 2
    ahead = middle - heard.answer.dated - _GRAIN / 2
    apart = max(abs(ahead) - (heard.heard_at - heard.asked_at) / 2 - _GRAIN / 2, timedelta(0))
    found = (
        f"this machine's clock is {_spoken(apart)} {'ahead of' if ahead > _GRAIN else 'behind'} the server's"
    )
    if apart > _HARMFUL:
        harm = "a request whose answer was lost is looked up by its day, and might be missed and sent twice"
        return problem("clock", f"{found}: {harm}", "set the clock (NTP) before anything is sent")
    if apart > _NOTICEABLE:
        harm = "times in files, ages of requests and dates of badges are off by as much"
        return warning("clock", f"{found}: {harm}", "set the clock (NTP)")
    return ok("clock", f"agrees with the server's within {_NOTICEABLE.seconds} s")


def _spoken(apart: timedelta) -> str:
    seconds = round(apart.total_seconds())
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:,} {unit}"
    return f"{seconds} s"
