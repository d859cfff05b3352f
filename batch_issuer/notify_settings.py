"""What the settings of notices may hold: addresses of channels, thresholds and times of day."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import time
from typing import Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from batch_issuer.batch.shares import WHOLE, Share

_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#]\S*")
_BETWEEN: Final = re.compile(r"\s+|,(?=\s|[A-Za-z][A-Za-z0-9+.-]*://)")
"""An address may hold commas itself: only one before a blank or another address parts two."""
_PASSWORD: Final = re.compile(r"([^:/?#]+://[^:/?#@]*):(?P<password>[^/?#]*)(@)")
_TIME: Final = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
_NO: Final = frozenset({"no", "n", "0", "false", "off", "f", "none", "never", "disable", "disabled", "deny"})
_SECRET_OPTIONS: Final = re.compile(r"pass|pwd|token|secret|key|auth|sig", re.IGNORECASE)
_TOKEN: Final = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[^.]{8,}")
"""What is no word and no host name is taken for a token."""


def addresses(text: str) -> tuple[str, ...]:
    """Split addresses that are parted by blanks, line ends or commas; one that is named twice counts once."""
    return tuple(dict.fromkeys(part for part in _BETWEEN.split(text) if part))


def check_addresses(text: str) -> None:
    """Refuse what can't be the address of a channel, or would lower its guard. Raises ValueError."""
    for number, address in enumerate(addresses(text), start=1):
        if _ADDRESS.fullmatch(address) is None:
            raise ValueError(
                f"holds no address at place {number}; write each as mailtos://…, slack://… or the like"
            )
        options = {name.lower(): value.lower() for name, value in _options(address)}
        if options.get("verify") in _NO:
            raise ValueError(f"must not leave out the check of certificates (verify=…, place {number})")
        if options.get("redirect", "no") not in _NO:
            raise ValueError(f"must not follow redirects (redirect=…, place {number})")


def secrets_in(text: str) -> Iterator[str]:
    """Yield each address, and what in it looks like a secret: passwords, tokens, keys."""
    for address in addresses(text):
        yield address
        scheme, _, rest = address.partition("://")
        yield rest
        found = _PASSWORD.match(address)
        password = found["password"] if found else ""
        options = [value for name, value in _options(address) if _SECRET_OPTIONS.search(name)]
        tokens = [part for part in re.split(r"[/?#&=@:]", rest) if _TOKEN.fullmatch(part)]
        for secret in (password, *options, *tokens):
            if secret and secret != scheme:
                yield from {secret, unquote(secret)}


def without_secrets(address: str) -> str:
    """Return an address without its password: a new password makes no new channel."""
    shown = _PASSWORD.sub(r"\1\3", address)
    return re.sub(r"(?i)([?&](?:pass|password|pwd)=)[^&]*", r"\1", shown)


def _options(address: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(urlsplit(address).query, keep_blank_values=True)
    except ValueError:  # an address that Python can't read, such as one with an unclosed [
        return []


def check_time_of_day(text: str) -> None:
    """Refuse what is no time of day. Raises ValueError."""
    if _TIME.fullmatch(text) is None:
        raise ValueError(f"must be a time of day like 07:30, not {text!r}")


def time_of_day(text: str | None) -> time | None:
    """Read a checked time of day."""
    return time.fromisoformat(text) if text else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold(Share):
    """From how many rows, or from which percentage of them, somebody is told; 0 is never."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `25` or `10%`. Raises ValueError."""
        share = cls.read(text)
        if share is None:
            raise ValueError(f"must be a count like 25 or a percentage like 10%, not {text!r}")
        return share

    def is_reached(self, *, failed: int, rows: int) -> bool:
        """Tell whether so many failed rows of all rows are worth telling."""
        if not failed or not (self.count or self.percent):
            return False
        if self.count is not None:
            return failed >= self.count
        return failed * WHOLE >= (self.percent or 0) * rows
