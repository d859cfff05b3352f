"""Reads ISO 8601 dates and date-times, so that two spellings of one instant are one."""

import re
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

# fromisoformat lets any character stand between date and time: `2026-01-31-08:00` would be a time
_FORM: Final = re.compile(
    r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}|[0-9]{4}-W[0-9]{2}-[0-9]|[0-9]{4}W[0-9]{3})"
    r"(?:[T ][0-9:.,]+ ?(?:Z|[+-][0-9:]+)?)?"
)
_UTC: Final = ZoneInfo("UTC")


def read_instant(text: str, *, timezone: ZoneInfo) -> str | None:
    """Read an ISO 8601 date or date-time as an instant in UTC, or None where it is neither.

    A date is its midnight; a time without a zone is local to `timezone`.
    """
    text = text.upper()
    if _FORM.fullmatch(text) is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        local = moment if moment.tzinfo else moment.replace(tzinfo=timezone)
        return local.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError):
        return None


def is_instant(text: str) -> bool:
    """Tell whether a text is an instant the way `read_instant` writes it."""
    return read_instant(text, timezone=_UTC) == text
