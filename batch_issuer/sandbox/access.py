"""Who may call: credentials, permissions, tokens, and the rate limit."""

import base64
import binascii
import hashlib
import math
from collections import deque
from collections.abc import Callable, Mapping

from batch_issuer.sandbox.refusals import ForbiddenError, TooManyRequestsError, UnauthenticatedError
from batch_issuer.sandbox.scenario import Credentials, Scenario

OAUTH_HEADER = "X-CAP-API-OAUTH-TOKEN"
ORG_HEADER = "X-CAP-API-AUTH-ORG-ID"
UI_TOKEN_HEADER = "X-CAP-UI-AUTH-TOKEN"  # noqa: S105 - the name of a header, not its value

CAN_MAKE = "CanMakeRequest"
CAN_CHECK = "CanCheckRequest"

_WINDOW_SECONDS = 60.0

Clock = Callable[[], float]


class Access:
    """Knows the maker and the checker, and the tokens that were handed out."""

    def __init__(self, *, scenario: Scenario, credentials: Credentials, clock: Clock) -> None:
        self._scenario = scenario
        self._credentials = credentials
        self._clock = clock
        self._expiries: dict[str, float] = {}
        self._handed_out = 0

    def change_credentials(self, credentials: Credentials) -> None:
        """Know these credentials alone from now on."""
        self._credentials = credentials

    def hand_out_token(self, *, key: str, secret: str) -> str:
        """Exchange a key and its secret for a token; raise UnauthenticatedError for a wrong pair."""
        known = self._credentials
        pairs = {(known.maker_key, known.maker_secret), (known.checker_key, known.checker_secret)}
        if self._scenario.auth == "basic" or (key, secret) not in pairs:
            raise UnauthenticatedError
        self._handed_out += 1
        digest = hashlib.sha256(f"{secret}|{self._handed_out}|{self._clock()}".encode()).hexdigest()
        token = f"sandbox.{self._handed_out}.{digest}"
        self._expiries[token] = self._clock() + self._scenario.token_ttl_seconds
        return token

    def forget_tokens(self) -> None:
        """Make all tokens handed out so far invalid."""
        self._expiries.clear()

    def require_caller(self, headers: Mapping[str, str]) -> None:
        """Raise UnauthenticatedError unless the call carries Basic credentials or a token that is valid."""
        token = headers.get(OAUTH_HEADER)
        known = self._is_basic(headers.get("Authorization", "")) if token is None else self._is_token(token)
        if not known:
            raise UnauthenticatedError

    def require_permission(self, headers: Mapping[str, str], permission: str) -> None:
        """Raise unless the call names the organisation and a user who holds the permission."""
        holders = {self._credentials.maker_ui_token: CAN_MAKE, self._credentials.checker_ui_token: CAN_CHECK}
        held = holders.get(headers.get(UI_TOKEN_HEADER, ""))
        if headers.get(ORG_HEADER) != self._credentials.org_id or held is None:
            raise UnauthenticatedError
        if held != permission:
            raise ForbiddenError(permission=permission)

    def _is_token(self, token: str) -> bool:
        return self._scenario.auth != "basic" and self._clock() < self._expiries.get(token, -math.inf)

    def _is_basic(self, header: str) -> bool:
        known = self._credentials
        users = {
            (known.maker_username, known.maker_password),
            (known.checker_username, known.checker_password),
        }
        return self._scenario.auth != "oauth" and _read_basic(header) in users


class RateLimit:
    """Lets so many calls pass in any window of 60 seconds; None lets all pass."""

    def __init__(self, limit: int | None, *, clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        self._passed: deque[float] = deque()

    def take(self) -> None:
        """Let one call pass, or raise TooManyRequestsError; a refused call does not count."""
        if self._limit is None:
            return
        now = self._clock()
        while self._passed and self._passed[0] <= now - _WINDOW_SECONDS:
            self._passed.popleft()
        if len(self._passed) >= self._limit:
            wait = self._passed[0] + _WINDOW_SECONDS - now
            raise TooManyRequestsError(retry_after_seconds=max(1, math.ceil(wait)))
        self._passed.append(now)


def basic_header(username: str, password: str) -> str:
    """Write the Authorization header of a Basic login."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def _read_basic(header: str) -> tuple[str, str] | None:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, separator, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (user, password) if separator else None
