"""The one place that takes secrets out of text before it is logged, stored, written or shown."""

import base64
import re
from collections.abc import Iterable
from typing import Final

STARS: Final = "**********"
_CREDENTIALS: Final = re.compile(
    r"\b(?:Basic|Bearer)\s+[A-Za-z0-9+/=._~-]{6,}"  # Authorization values, ours or other makers'
    r"|\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)?",  # JSON web tokens
)


class Redactor:
    """Replaces known secrets, and whatever looks like credentials, by stars."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Remember the secrets; their base64 forms are kept out too."""
        self._known: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Learn secrets that came later, such as an access token."""
        for secret in secrets:
            if secret:
                self._known |= {secret, base64.b64encode(secret.encode()).decode()}
        longest_first = sorted(self._known, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        """Return the text with stars in place of secrets."""
        if self._pattern is not None:
            text = self._pattern.sub(STARS, text)
        return _CREDENTIALS.sub(STARS, text)
