"""Who may do what: users and their roles."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from batch_issuer.errors import AccountRefused
from batch_issuer.ledger.users import UserRecord

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


class Role(StrEnum):
    """What a user may do besides looking, which each of them allows."""

    VIEWER = "viewer"
    MAKER = "maker"
    """Uploads, issues, resumes, retries and refreshes."""
    CHECKER = "checker"
    """Approves, rejects and refreshes."""
    ADMIN = "admin"
    """Looks after users, and reads the audit log; may neither make nor check for that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user of the console, without their password."""

    user: str
    roles: frozenset[Role]
    created_at: str
    disabled_at: str = ""
    has_password: bool = True
    """Otherwise they sign in at a trusted proxy."""

    @classmethod
    def from_record(cls, record: UserRecord) -> Self:
        """Show what may be shown of a user."""
        return cls(
            user=record.user,
            roles=frozenset(map(Role, record.roles)),
            created_at=record.created_at,
            disabled_at=record.disabled_at,
            has_password=bool(record.password),
        )

    def may(self, *roles: Role) -> bool:
        """Tell whether the user has one of these roles."""
        return not self.roles.isdisjoint(roles)


def plain_name(name: str) -> str | None:
    """Return a user's name as it is kept, or None for what can't be one."""
    folded = name.strip().lower()
    return folded if _NAME.fullmatch(folded) else None


def checked_name(name: str) -> str:
    """Return a new user's name as it is kept. Raises AccountRefused."""
    plain = plain_name(name)
    if plain is None:
        raise AccountRefused(
            "a user's name has 1 to 64 letters from a to z, digits, and . _ @ -, and begins with a letter or "
            "a digit"
        )
    return plain


def checked_roles(roles: Collection[Role]) -> frozenset[Role]:
    """Return the roles of a user. Raises AccountRefused where there are none."""
    if not roles:
        raise AccountRefused(f"a user needs a role: {', '.join(Role)}")
    return frozenset(roles)
