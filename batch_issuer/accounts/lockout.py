"""When guessing ends: too many failures lock a name, or an address, for a while."""

import hashlib
import ipaddress
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from batch_issuer.ledger.audit import Action, latest_number, latest_times

WINDOW: Final = timedelta(minutes=15)
FAILURES_OF_NAME: Final = 5
FAILURES_OF_ADDRESS: Final = 20
_OF_ONE_SITE: Final = 64
_UNLOCKING: Final = (Action.PASSWORD_CHANGED, Action.USER_ENABLED)


def locked_until(failures: Sequence[datetime], *, limit: int) -> datetime | None:
    """Say until when so many failures lock; failures come the latest first, and none while it is locked."""
    if len(failures) < limit or failures[0] - failures[limit - 1] > WINDOW:
        return None
    return failures[0] + WINDOW


def find_lock(connection: Connection, *, name: str, address: str, now: datetime) -> datetime | None:
    """Return until when a name or an address is locked, or None.

    Whoever sets a user's password anew, or enables the user again, unlocks the name.
    """
    refused, since = Action.SIGN_IN_REFUSED, now - 2 * WINDOW
    unlocked = latest_number(connection, _UNLOCKING, about=name)
    of_name = latest_times(
        connection, refused, since=since, limit=FAILURES_OF_NAME, about=name, after=unlocked
    )
    locks = [locked_until(of_name, limit=FAILURES_OF_NAME)]
    if address:
        of_address = latest_times(
            connection, refused, since=since, limit=FAILURES_OF_ADDRESS, address=place_of(address)
        )
        locks.append(locked_until(of_address, limit=FAILURES_OF_ADDRESS))
    return max((lock for lock in locks if lock is not None and lock > now), default=None)


def place_of(address: str) -> str:
    """Return what counts as one address: whoever has one of IPv6 has all of its network."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    mapped = parsed.ipv4_mapped
    return str(mapped or ipaddress.ip_network((int(parsed), _OF_ONE_SITE), strict=False))


def unknown_name(typed: str) -> str:
    """Return what the audit log calls a name that no user has.

    It may be a password, typed in the wrong field: it must not be kept, nor be found out from what is.
    """
    digest = hashlib.sha256(typed.strip().lower().encode("utf-8", "surrogatepass")).hexdigest()
    return f"unknown:{digest[:6]}"
