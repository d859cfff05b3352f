"""What the server says of a badge, and whether a row may use it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from batch_issuer.batch.requests import OWNER_TYPES, Group

BadgeUse = tuple[str, str, str]
"""Badge, owner type and event date of a row, as they are sent; empty where the row has none."""


def use_of(group: Group) -> BadgeUse:
    """Return how the rows of a group use their badge."""
    return group.badge_meta_id, group.owner_type, group.issue_event_date


_LIVE: Final = "LIVE"
_NAME_CHARS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """A badge's definition (contract, BadgeMeta); None and empty where the server does not say."""

    name: str = ""
    status: str = ""
    is_active: bool | None = None
    starts_at: datetime | None = None
    expires_at: datetime | None = None
    owners: frozenset[str] = frozenset()
    """The owner types that alone may give it away; empty where all may."""

    def faults(self, owner_type: str, event: datetime | None) -> Iterator[str]:
        """Yield why it can't be issued for an owner and a moment; either is left out where it is not known.

        The contract: usable only when `active` is true and `status` is LIVE, for an event within its dates,
        by the owners that it is restricted to.
        """
        if self.status and self.status != _LIVE:
            yield f"its status is {self.status}, not {_LIVE}"
        if self.is_active is False:
            yield "it is switched off"
        if event and self.starts_at and event < self.starts_at:
            yield f"it starts on {_day(self.starts_at)}, after the event date"
        if event and self.expires_at and event > self.expires_at:
            yield f"it ended on {_day(self.expires_at)}, before the event date"
        permitted = {owner.casefold() for owner in self.owners}
        if owner_type and permitted and owner_type.casefold() not in permitted:
            yield f"only {', '.join(sorted(self.owners))} may give it away, not {owner_type}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BadgeBook:
    """What was found out of the badges of a file."""

    badges: Mapping[str, Badge | None] = field(default_factory=dict)
    """By their ids; None for those that the server does not know."""
    today: datetime
    """The moment that counts for rows without an event date."""
    warning: str = ""
    """Why badges could not be looked up, where that is so."""

    @property
    def names(self) -> dict[str, str]:
        """The names of the badges that have one."""
        return {badge: known.name for badge, known in self.badges.items() if known and known.name}

    def fault(self, use: BadgeUse) -> str:
        """Say why a badge can't be used so, or nothing where it can, or was not looked up."""
        badge_meta_id, owner_type, event_date = use
        if badge_meta_id not in self.badges:
            return ""
        badge = self.badges[badge_meta_id]
        if badge is None:
            return "the server knows no badge of this id"
        owner_type = owner_type if owner_type in OWNER_TYPES else ""
        faults = "; ".join(badge.faults(owner_type, self._moment(event_date)))
        return f"{badge.name[:_NAME_CHARS]!r}: {faults}" if faults and badge.name else faults

    def faults(self, uses: Iterable[BadgeUse]) -> bool:
        """Tell whether any badge can't be used as it is."""
        return any(map(self.fault, uses))

    def _moment(self, event_date: str) -> datetime | None:
        """Read an event date as it is sent; what could not be read has a problem of its own."""
        if not event_date:
            return self.today
        try:
            return datetime.fromisoformat(event_date).astimezone(UTC)
        except ValueError:
            return None


def _day(moment: datetime) -> str:
    return moment.date().isoformat()
