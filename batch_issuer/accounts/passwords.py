"""Passwords: which may be chosen, and how they are kept and compared."""

import asyncio
import unicodedata
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import SecretStr

from batch_issuer.errors import AccountRefused

_SHORTEST: Final = 12
_LONGEST: Final = 1024
_FEWEST_CHARACTERS: Final = 5
_AT_ONCE: Final = 2
_AROUND: Final = "0123456789!?.,-_@#$%&*+= "
_MOST_COMMON: Final = frozenset(
    {
        *("password", "passwordpassword", "mypassword", "passw0rd", "p@ssword", "p@ssw0rd", "passwort"),
        *("admin", "administrator", "adminadmin", "root", "rootroot", "superuser", "user", "username"),
        *("qwerty", "qwertyuiop", "qwertyuiop[]", "qwertyqwerty", "qwertz", "qwertzuiop", "azerty"),
        *("azertyuiop", "asdfghjkl", "zxcvbnm", "qwertyuiopasdfghjkl", "1q2w3e4r5t6y", "1qaz2wsx3edc"),
        *("letmein", "letmeinplease", "welcome", "welcomeback", "iloveyou", "iloveyouforever"),
        *("changeme", "changemenow", "changemeplease", "default", "secret", "topsecret", "supersecret"),
        *("football", "baseball", "basketball", "superman", "batman", "sunshine", "princess", "dragon"),
        *("monkey", "shadow", "master", "trustno", "starwars", "abcdefghijkl", "abcdefghijklm"),
        *("abc123abc123", "test", "testtest", "testtesttest", "summer", "winter", "spring", "autumn"),
        *("batchissuer", "batch-issuer", "batch_issuer", "capillary", "correcthorsebatterystaple"),
        *("correct horse battery staple", "donotshare", "nopassword", "newpassword", "temporary"),
    }
)
_DIGITS: Final = ("01234567890123456789", "98765432109876543210")


class Passwords:
    """Keeps passwords as argon2id hashes, and compares them off the event loop.

    Whoever asks for either holds one of the `turns`: each takes memory and a good part of a second, and
    guesses have to wait for each other.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        """Take the library's present recommendation, unless told otherwise."""
        self.turns = asyncio.Semaphore(_AT_ONCE)
        self._hasher = hasher or PasswordHasher()
        self._nobodys = ""

    async def hashed(self, password: SecretStr) -> str:
        """Return what may be stored of a password."""
        return await asyncio.to_thread(self._hasher.hash, _bytes_of(password))

    async def matches(self, stored: str, password: SecretStr) -> bool:
        """Tell whether a password is the stored one; with nothing stored that takes as long, and fails."""
        if not self._nobodys:
            self._nobodys = await asyncio.to_thread(self._hasher.hash, b"nobody's")
        found = await asyncio.to_thread(self._verify, stored or self._nobodys, _bytes_of(password))
        return found and bool(stored)

    def is_outdated(self, stored: str) -> bool:
        """Tell whether a password should be hashed anew: what is recommended changes."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str, password: bytes) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False


def check_password(user: str, password: SecretStr) -> None:
    """Refuse a password that is too short, too long, or the first that anybody would try.

    Raises AccountRefused.
    """
    text = _normal(password)
    if not _SHORTEST <= len(text) <= _LONGEST:
        raise AccountRefused(
            f"a password has {_SHORTEST} to {_LONGEST:,} characters; some words in a row are easy to keep"
        )
    folded = text.casefold()
    core = folded.strip(_AROUND)
    is_common = core in _MOST_COMMON or folded in _MOST_COMMON or any(folded in run for run in _DIGITS)
    if is_common or len(set(folded)) < _FEWEST_CHARACTERS:
        raise AccountRefused("this password is one of the first that anybody would try; choose another")
    if user in {core, folded}:
        raise AccountRefused("a password must not be the user's name; choose another")


def _normal(password: SecretStr) -> str:
    # the same keys give other characters on other systems; whatever is far too long stays so
    return unicodedata.normalize("NFKC", password.get_secret_value()[: 8 * _LONGEST])


def _bytes_of(password: SecretStr) -> bytes:
    # whatever is longer than any password can be is none
    return _normal(password)[: _LONGEST + 1].encode("utf-8", "surrogatepass")
