"""Credentials for each call: Basic as given, or an OAuth token that is renewed before it expires."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from batch_issuer.clock import Clock
from batch_issuer.gateway.access import BasicLogin
from batch_issuer.gateway.answers import Answer, AnswerKind, bare_error
from batch_issuer.gateway.wire import Redact, read_error

TOKEN_HEADER: Final = "X-CAP-API-OAUTH-TOKEN"  # noqa: S105 - a header's name
_SHARE_UNUSED: Final = 0.1
_LONGEST_LIFE: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An access token and how long it lives."""

    value: str = field(repr=False)
    lifetime: timedelta


class Credentials:
    """Gives the headers that prove who asks. One object for each caller: renewal is done once for all."""

    def __init__(self, source: BasicLogin | Callable[[], Awaitable[Token | Answer]], clock: Clock) -> None:
        """Take a Basic login, or what fetches a token (and returns an Answer where that failed)."""
        if isinstance(source, BasicLogin):
            self._known: dict[str, str] = {"Authorization": source.authorization}
            self._fetch = None
        else:
            self._known = {}
            self._fetch = source
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._renew_at: datetime | None = None

    @property
    def can_renew(self) -> bool:
        """Whether a 401 may be answered by a fresh token."""
        return self._fetch is not None

    async def headers(self) -> Mapping[str, str] | Answer:
        """Return the headers, or the answer that says why there are none."""
        if self._fetch is None:
            return self._known
        async with self._one_at_a_time:
            if self._renew_at is None or self._clock.now() >= self._renew_at:
                fetched = await self._fetch()
                if isinstance(fetched, Answer):
                    return fetched
                self._known = {TOKEN_HEADER: fetched.value}
                self._renew_at = self._clock.now() + fetched.lifetime * (1 - _SHARE_UNUSED)
            return self._known

    def forget(self, headers: Mapping[str, str]) -> None:
        """Drop the token that was refused, unless it has been renewed meanwhile."""
        if headers == self._known:
            self._renew_at = None


def read_token(
    status: int, content: object, *, redact: Redact, retry_after: float | None = None
) -> Token | Answer:
    """Read the answer of a token call (contract, TokenResponse)."""
    data = content.get("data") if isinstance(content, dict) else None
    match data:
        case {"accessToken": str() as value, "ttlSeconds": int() | float() as seconds} if _is_token(value):
            lifetime = min(max(float(seconds), 0.0), _LONGEST_LIFE.total_seconds())
            return Token(value=value, lifetime=timedelta(seconds=lifetime))
    kinds = {400: AnswerKind.UNAUTHORIZED, 401: AnswerKind.UNAUTHORIZED, 403: AnswerKind.FORBIDDEN}
    kinds[429] = AnswerKind.RATE_LIMITED
    # no submission went out yet: whatever else happened here, nothing was created
    kind = kinds.get(status, AnswerKind.NOT_REACHED)
    error = read_error(content, redact) or bare_error(status, content)
    return Answer(kind=kind, http_status=status, error=error, retry_after=retry_after)


def _is_token(value: str) -> bool:
    """Tell whether a text can stand in a header."""
    return bool(value) and value.isascii() and value.isprintable()
