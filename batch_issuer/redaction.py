"""The one place that takes secrets out of text before it is logged, stored, written or shown."""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote, quote_plus

STARS: Final = "**********"
_SHORT: Final = 4
"""A shorter secret is starred only where it stands alone, or every text would be stars."""
_CREDENTIALS: Final = re.compile(
    # Authorization values, ours or other makers', also inside JSON (`\/`) and addresses (`%20`)
    r"(?i:basic|bearer)(?:\s|%20|\+)+(?!(?i:auth|authentication|authorization|credentials?)\b)"
    r"(?=[a-z.-]*[A-Z0-9+/=_~%\\]|[a-z.-]{20})"  # a plain word such as "basic plan" is none
    r"(?:[A-Za-z0-9+/=._~%-]|\\/){4,}"
    r"|eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)?",  # JSON web tokens
)


class Redactor:
    """Replaces known secrets, and whatever looks like credentials, by stars."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Remember the secrets; the forms that they take in headers, JSON and addresses are kept out too."""
        self._known: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Learn secrets that came later, such as an access token."""
        forms = {form for secret in secrets for form in _forms(secret)}
        if forms <= self._known:
            return
        self._known |= forms
        longest_first = sorted(self._known, key=len, reverse=True)
        # looking ahead finds secrets that overlap, so that no end of one is left over
        self._pattern = re.compile(f"(?=({'|'.join(map(_searched, longest_first))}))")

    def __call__(self, text: str) -> str:
        """Return the text with stars in place of secrets."""
        spans = [match.span() for match in _CREDENTIALS.finditer(text)]
        if self._pattern is not None:
            spans += [match.span(1) for match in self._pattern.finditer(text)]
        if not spans:
            return text
        parts = []
        end = 0
        for start, stop in _merged(spans):
            parts += [text[end:start], STARS]
            end = stop
        return "".join([*parts, text[end:]])


def _forms(secret: str) -> Iterator[str]:
    """Yield the ways in which a secret may be written."""
    if not secret.strip():
        return
    yield secret
    yield repr(secret)[1:-1]  # as other errors quote it
    for ascii_only in (True, False):
        yield json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
    raw = secret.encode(errors="surrogateescape")
    yield from (quote(raw, safe=""), quote_plus(raw))
    for encoded in (base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()):
        unpadded = encoded.rstrip("=")
        yield from (encoded, unpadded, encoded.replace("/", r"\/"), unpadded.replace("/", r"\/"))


def _searched(form: str) -> str:
    literal = re.escape(form)
    return rf"(?<!\w){literal}(?!\w)" if len(form) < _SHORT else literal


def _merged(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Join spans that overlap or touch."""
    start, stop = min(spans)
    for next_start, next_stop in sorted(spans):
        if next_start > stop:
            yield start, stop
            start, stop = next_start, next_stop
        stop = max(stop, next_stop)
    yield start, stop
