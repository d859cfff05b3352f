"""What a visitor sees when something can't be done: plain words, what to do, and never a trace."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from aiohttp import hdrs, web

from batch_issuer.errors import (
    BatchIssuerError,
    Guarded,
    InputRefused,
    KeyReused,
    LedgerUnavailable,
    NoPermission,
    OutputNotWritable,
    UnknownBatch,
    UsageError,
)
from batch_issuer.web.console import console_of
from batch_issuer.web.rendering import is_part, render
from batch_issuer.web.routes import Handler
from batch_issuer.web.visitors import actor_of

log = logging.getLogger(__name__)

_TITLES: Final = {
    400: "That can't be read",
    401: "Please sign in",
    403: "That is not allowed",
    404: "There is no such page",
    405: "That can't be done here",
    408: "That took too long",
    409: "That is done, or being done, already",
    410: "That is gone",
    413: "That is too large",
    415: "That is of another kind",
    416: "There is no such part",
    421: "Another name",
    422: "That can't be done as it is",
    429: "Too many tries",
    500: "An error in the program",
    503: "Not now",
}
_STATUSES: Final[tuple[tuple[type[BatchIssuerError], int], ...]] = (
    (UnknownBatch, 404),
    (InputRefused, 422),
    (KeyReused, 422),
    (Guarded, 409),
    (LedgerUnavailable, 503),
    (NoPermission, 403),
    (OutputNotWritable, 503),
    (UsageError, 422),
    (BatchIssuerError, 503),
)
_ADVICE: Final = {
    404: "Perhaps the address was mistyped, or what it showed is gone. The list of batches has all there is.",
    405: "Go back, and use the buttons of the page.",
    413: "Send less at once; the limit for files is the setting MAX_FILE_BYTES.",
}
_AWAY: Final = (
    "The console can't use its ledger or its disk now. Nothing that was recorded is lost: try again in a "
    "minute, and tell an admin of the console where it stays so."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldProblem:
    """One thing that is wrong with what a system sent."""

    field: str
    message: str


class WrongFields(web.HTTPBadRequest):
    """What a system sent can't be read; it is told everything that is wrong."""

    def __init__(self, problems: Sequence[FieldProblem], *, where: str) -> None:
        """Name the fields, and where they are."""
        told = "; ".join(f"{problem.field}: {problem.message}".removeprefix(": ") for problem in problems)
        super().__init__(text=f"In the {where}: {told}.")
        self.problems = tuple(problems)


class RepeatedFields(WrongFields):
    """Some fields of a form say two things, here or in the address: no description can forbid that."""

    status_code = 422


def status_of(error: BatchIssuerError) -> int:
    """Say by which status of HTTP an error of ours is told."""
    return next(status for kind, status in _STATUSES if isinstance(error, kind))


@web.middleware
async def explain_failures(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever goes wrong into an answer that helps."""
    try:
        return await handler(request)
    except web.HTTPSuccessful:
        raise
    except web.HTTPRedirection:
        raise
    except web.HTTPException as exc:
        own = exc.text if exc.text and exc.text != f"{exc.status}: {exc.reason}" else ""
        kept = {name: value for name, value in exc.headers.items() if name != hdrs.CONTENT_TYPE}
        fields = exc.problems if isinstance(exc, WrongFields) else ()
        advice = _ADVICE.get(exc.status, exc.reason)
        return _failure(request, exc.status, own or advice, headers=kept, fields=fields)
    except BatchIssuerError as exc:
        return _failure(request, status_of(exc), _told(request, exc))
    except ConnectionResetError:
        raise  # the visitor has gone: there is nobody to tell
    except Exception as exc:  # the last line of defence
        log.exception("a page failed", extra={"reason": type(exc).__name__})
        return _failure(
            request, 500, "It has been noted in the log of the console. Nothing that was recorded is lost."
        )


def _told(request: web.Request, exc: BatchIssuerError) -> str:
    """Say what failed; where our ledger and our files lie is for the log, and not for strangers."""
    reason = console_of(request).redact(str(exc))
    if not isinstance(exc, LedgerUnavailable | OutputNotWritable):
        return reason
    log.error("a page failed", extra={"reason": reason})
    return _AWAY


def log_refusal(request: web.Request, status: int) -> None:
    """Note which kind of page refused whom; not what was typed into its address, which may be anything."""
    resource = request.match_info.route.resource
    page = "a page that is not there" if resource is None else resource.canonical
    actor = actor_of(request)
    extra = {"status": status, "user": actor.user, "address": actor.address}
    log.info("request refused", extra={**extra, "reason": f"{request.method} {page}"})


def _failure(
    request: web.Request,
    status: int,
    message: str,
    *,
    headers: dict[str, str] | None = None,
    fields: Sequence[FieldProblem] = (),
) -> web.Response:
    title = _TITLES.get(status, "That did not work")
    log_refusal(request, status)
    if request.path.startswith("/api/"):
        problem: dict[str, object] = {"title": title, "status": status, "detail": message}
        if fields:
            problem["errors"] = [asdict(field) for field in fields]
        response = web.json_response(problem, status=status, content_type="application/problem+json")
    elif request.path == "/metrics":
        response = web.Response(text=message, status=status)
    else:
        template = "failure_part.html.j2" if is_part(request) else "failure.html.j2"
        response = render(request, template, status=status, title=title, message=message)
    response.headers.update(headers or {})
    return response
