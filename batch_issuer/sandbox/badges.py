"""The badges that the simulated badge service knows: every id is a badge, and some ids are bad ones."""

from collections.abc import Mapping
from typing import Any

_DAY = 86_400.0
_YEAR = 365 * _DAY
_UNKNOWN = "deadbad0"
_CHANGES: Mapping[str, Mapping[str, Any]] = {
    "deadbad1": {"status": "ENDED"},
    "deadbad2": {"active": False},
    "deadbad3": {"status": "UPCOMING", "starts": 30 * _DAY},
    "deadbad4": {"expires": -_DAY},
    "deadbad5": {"restrictedToOwners": ["Goodwill_Module"]},
}
"""What is wrong with a badge whose id begins so; times are seconds from now."""


def find_badge(badge_meta_id: str, *, now: float) -> dict[str, Any] | None:
    """Give the definition of a badge, or None for one that is not known."""
    if badge_meta_id.startswith(_UNKNOWN):
        return None
    change = _CHANGES.get(badge_meta_id[: len(_UNKNOWN)], {})
    return {
        "id": badge_meta_id,
        "badgeNumericId": 1,
        "orgId": 999001,
        "name": f"Sandbox badge {badge_meta_id[-4:]}",
        "description": "Invented by the sandbox",
        "startOn": round(now + change.get("starts", -_YEAR), 3),
        "expiresOn": round(now + change.get("expires", _YEAR), 3),
        "ownership": {"restrictedToOwners": change.get("restrictedToOwners"), "claims": []},
        "earnType": "ISSUE_EARN",
        "status": change.get("status", "LIVE"),
        "active": change.get("active", True),
    }
