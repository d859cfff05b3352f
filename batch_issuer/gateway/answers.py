"""What an answer of the API proves: a table from status and body to one kind; pure."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, Final

from batch_issuer.batch.badges import Badge
from batch_issuer.batch.ids import RequestId, WorkflowRequestId
from batch_issuer.batch.outcomes import NO_ERROR, ServerError, ServerRequest
from batch_issuer.gateway.wire import (
    Redact,
    names_code,
    read_badge,
    read_error,
    read_json,
    read_server_request,
    read_total,
)

_REPEATED_REQUEST_ID: Final = 809
_LONGEST_RETRY_AFTER: Final = 3600.0
_TOO_LARGE: Final = "the request is too large for the server"


class AnswerKind(StrEnum):
    """What an answer proves."""

    OK = "ok"
    """Understood: it names a request, or is a page of the list."""
    NOT_REACHED = "not_reached"
    """The connection could not be opened: nothing was created."""
    RATE_LIMITED = "rate_limited"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    TOO_LARGE = "too_large"
    """Nothing was created; a smaller request may pass."""
    REFUSED = "refused"
    """Refused for good: nothing was created, and nothing would be by asking again."""
    IN_DOUBT = "in_doubt"
    """The request went out, and what became of it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of the server's list."""

    requests: tuple[ServerRequest, ...]
    is_empty: bool
    """Nothing at all is on it: the list ends before. (Entries of other kinds are not in `requests`.)"""
    total: int | None = None
    """How many entries the whole list has, where the server says so."""

    def repeats(self, previous: "Page | None") -> bool:
        """Tell whether this is the page before once more."""
        return bool(self.requests) and self == previous


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The result of one exchange."""

    kind: AnswerKind
    http_status: int | None = None
    error: ServerError = NO_ERROR
    retry_after: float | None = None
    """Seconds to wait, where the server says so."""
    said: ServerRequest | None = None
    """What the server says of a submitted request; only with OK."""
    page: Page | None = None
    """One page; only with OK."""
    badge: Badge | None = None
    """What was looked up; only with OK, and None where the server knows no such badge."""
    dated: datetime | None = None
    """The server's time, where it gave a page or refused one and said so."""


def read_submission(
    status: int, body: bytes, *, request_id: RequestId, redact: Redact, retry_after: float | None = None
) -> Answer:
    """Say what one answer to a POST proves: submitted, not created, refused, or in doubt."""

    def is_ours(said: ServerRequest) -> bool:
        return said.request_id in {None, request_id}

    return _read_change(status, body, is_ours=is_ours, redact=redact, retry_after=retry_after)


def read_decision(
    status: int, body: bytes, *, decided: WorkflowRequestId, redact: Redact, retry_after: float | None = None
) -> Answer:
    """Say what one answer to a PUT proves: decided, not decided, refused, or in doubt."""

    def is_ours(said: ServerRequest) -> bool:
        return said.workflow_request_id == decided

    return _read_change(status, body, is_ours=is_ours, redact=redact, retry_after=retry_after)


def _read_change(
    status: int,
    body: bytes,
    *,
    is_ours: Callable[[ServerRequest], bool],
    redact: Redact,
    retry_after: float | None,
) -> Answer:
    content = read_json(body)
    said = _named_request(content, redact) if 200 <= status < 300 else None  # noqa: PLR2004 - HTTP's own classes
    is_repeat = names_code(content, _REPEATED_REQUEST_ID)
    if said is not None and is_ours(said) and not is_repeat:
        return Answer(kind=AnswerKind.OK, http_status=status, said=said)
    error = read_error(content, redact) or bare_error(status, content)
    match status:
        case _ if is_repeat:
            kind = AnswerKind.IN_DOUBT  # an earlier request of this id exists
        case _ if said is not None:
            kind, error = AnswerKind.IN_DOUBT, ServerError(message="the answer names another request")
        case 429:
            kind = AnswerKind.RATE_LIMITED
        case 401:
            kind = AnswerKind.UNAUTHORIZED
        case 403:
            kind = AnswerKind.FORBIDDEN
        case 413:
            kind, error = AnswerKind.TOO_LARGE, replace(error, message=_TOO_LARGE)
        case _ if 300 <= status < 500 and status != 408:  # noqa: PLR2004 - HTTP's own classes
            kind = AnswerKind.REFUSED
        case _:  # 408, 5xx, a 2xx that can't be read, anything unheard of
            kind = AnswerKind.IN_DOUBT
    return Answer(kind=kind, http_status=status, error=error, retry_after=retry_after)


def read_list(status: int, body: bytes, *, redact: Redact, retry_after: float | None = None) -> Answer:
    """Say what one answer to a list call proves. Reading creates nothing: IN_DOUBT means "ask again"."""
    content = read_json(body)
    entries = content.get("data") if isinstance(content, dict) else None
    if 200 <= status < 300 and isinstance(entries, list):  # noqa: PLR2004 - HTTP's own classes
        read = (read_server_request(entry, redact) for entry in entries)
        requests = tuple(entry for entry in read if entry is not None)
        page = Page(requests=requests, is_empty=not entries, total=read_total(content))
        return Answer(kind=AnswerKind.OK, http_status=status, page=page)
    kinds = {
        429: AnswerKind.RATE_LIMITED,
        401: AnswerKind.UNAUTHORIZED,
        403: AnswerKind.FORBIDDEN,
        400: AnswerKind.REFUSED,
        404: AnswerKind.REFUSED,
    }
    error = read_error(content, redact) or bare_error(status, content)
    kind = kinds.get(status, AnswerKind.IN_DOUBT)
    return Answer(kind=kind, http_status=status, error=error, retry_after=retry_after)


def read_look_up(
    status: int, body: bytes, *, badge_meta_id: str, redact: Redact, retry_after: float | None = None
) -> Answer:
    """Say what one answer to a look-up of a badge proves: what it is, that there is none, or nothing.

    There is none where a 404 carries an error of code 404 (contract, getBadge); any other 404 comes from a
    server that lacks the call.
    """
    content = read_json(body)
    badge = read_badge(content.get("data"), badge_meta_id, redact) if isinstance(content, dict) else None
    is_unknown = status == 404 and names_code(content, 404)  # noqa: PLR2004 - Not Found
    if is_unknown or (200 <= status < 300 and badge is not None):  # noqa: PLR2004 - HTTP's own classes
        return Answer(kind=AnswerKind.OK, http_status=status, badge=None if is_unknown else badge)
    kinds = {429: AnswerKind.RATE_LIMITED, 401: AnswerKind.UNAUTHORIZED, 403: AnswerKind.FORBIDDEN}
    error = read_error(content, redact) or bare_error(status, content)
    kind = kinds.get(status, AnswerKind.IN_DOUBT)
    return Answer(kind=kind, http_status=status, error=error, retry_after=retry_after)


def read_retry_after(value: str | None, *, now: datetime) -> float | None:
    """Read a Retry-After header, seconds or an HTTP date, as seconds from now; an hour at most."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        until = read_date(value)
        if until is None:
            return None
        seconds = (until - now).total_seconds()
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER) if seconds == seconds else None  # noqa: PLR0124 - NaN


def read_date(value: str | None) -> datetime | None:
    """Read an HTTP date, or return None where it is none."""
    try:
        date = parsedate_to_datetime(value or "")
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _named_request(content: Any, redact: Redact) -> ServerRequest | None:  # noqa: ANN401 - any JSON
    return read_server_request(content.get("data"), redact) if isinstance(content, dict) else None


def bare_error(status: int, content: Any) -> ServerError:  # noqa: ANN401 - any JSON
    """Say what is known where the answer gives no reason."""
    form = "no JSON" if content is None else "no reason given"
    return ServerError(code=str(status), message=f"the server answered HTTP {status} ({form})")
