"""Checks of one caller: are the credentials taken, and can the list of requests be read, page by page."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from batch_issuer.assembly import Api, Services, open_api
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.diagnosis.findings import Finding, Findings, not_checked, ok, problem, warning
from batch_issuer.gateway import Access, Answer, AnswerKind, Page
from batch_issuer.gateway.access import OAuthClient, other_path_form
from batch_issuer.tracking import ask

_ONE_DAY: Final = timedelta(days=1)
_ONE_MORE: Final = 2
_NOT_FOUND: Final = 404
_REDIRECTS: Final = range(300, 400)
_SUCCESS: Final = range(200, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An answer, and between which instants it came."""

    answer: Answer
    asked_at: datetime
    heard_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, and how its lines and settings are named."""

    access: Access
    check: str
    prefix: str = ""

    @property
    def login(self) -> str:
        """The settings that it logs in with."""
        names = ("CLIENT_KEY", "CLIENT_SECRET")
        if not isinstance(self.access.login, OAuthClient):
            names = ("USERNAME", "PASSWORD")
        return " and ".join(self.prefix + name for name in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """What a caller met: what was found, the access that works, and the answer that let it in."""

    findings: Findings
    access: Access | None = None
    heard: Heard | None = None


async def meet(services: Services, caller: Caller) -> Met:
    """Log in and read the first page of the list; where there is none, try the other form of the path."""
    async with open_api(services, caller.access) as api:
        refused = await api.client.log_in()
        if refused is not None:
            return Met(findings=[_judge_refusal(caller, refused)])
        heard = await _read(api, 0)
    if heard.answer.http_status == _NOT_FOUND:
        return await _try_other_path(services, caller, heard)
    if heard.answer.page is None:
        return Met(findings=[_judge_refusal(caller, heard.answer)], heard=heard)
    return Met(findings=[_taken(caller)], access=caller.access, heard=heard)


async def _try_other_path(services: Services, caller: Caller, missed: Heard) -> Met:
    path = caller.access.requests_path
    other = replace(caller.access, requests_path=other_path_form(path))
    async with open_api(services, other) as api:
        heard = await _read(api, 0)
    if heard.answer.page is None:
        found = f"the server has no list of requests, neither at {path} nor at {other.requests_path}"
        advice = "check BASE_URL and REQUESTS_PATH"
        return Met(findings=[problem("path", f"{found} (HTTP 404)", advice)], heard=missed)
    found = f"the list of requests is not at {path}, but at {other.requests_path}"
    advice = f"set REQUESTS_PATH={other.requests_path}; WORKFLOW_PATH may have to change, too"
    return Met(findings=[problem("path", found, advice), _taken(caller)], access=other, heard=heard)


def _taken(caller: Caller) -> Finding:
    return ok(caller.check, f"the server takes {caller.login}")


def _judge_refusal(caller: Caller, answer: Answer) -> Finding:
    """Say what an answer means that is no page."""
    said = answer.error.message
    away = ExitCode.NOT_FINISHED
    match answer.kind:
        case AnswerKind.UNAUTHORIZED:
            advice = "check them as they are sent: some platforms expect the password's MD5"
            return problem(
                caller.check,
                f"the server refuses {caller.login} ({said})",
                advice,
                code=ExitCode.NO_PERMISSION,
            )
        case AnswerKind.FORBIDDEN:
            advice = "ask for the right to read requests, and check ORG_ID"
            found = f"{caller.login} may not read the list of requests ({said})"
            return problem(caller.check, found, advice, code=ExitCode.NO_PERMISSION)
        case AnswerKind.RATE_LIMITED:
            found = f"the server takes no more calls for now ({said})"
            return warning(caller.check, found, "try again in a minute; lower RATE where it happens often")
        case _ if answer.http_status in _REDIRECTS:
            found = f"the server sends calls elsewhere (HTTP {answer.http_status}), which is never followed"
            return problem(caller.check, found, "set BASE_URL to where it sends them", code=away)
        case _ if answer.http_status in _SUCCESS:
            found = f"what answers is not this API ({said})"
            advice = "check BASE_URL, and whether a proxy or a login page stands between"
            return problem(caller.check, found, advice, code=away)
        case _:
            status = f" (HTTP {answer.http_status})" if answer.http_status else ""
            advice = "try again later; where it stays so, ask whoever runs the server"
            return problem(caller.check, f"no useful answer{status}: {said}", advice, code=away)


async def check_pages(services: Services, access: Access, first: Page) -> Findings:
    """Check that the list has pages: without them only its beginning could be looked through."""
    async with open_api(services, access) as api:
        page, repeats = first, 0
        for number in range(1, 1 + _ONE_MORE):
            if page.is_empty:
                break
            answer = (await _read(api, number)).answer
            if answer.page is None:
                return [not_checked("list", f"page {number} could not be read ({answer.error.message})")]
            if not answer.page.repeats(page):
                break
            repeats += 1
    if repeats == _ONE_MORE:
        found = "every page of the list is the same: what is not on the first can't be looked up"
        return [warning("list", found, "ask whoever runs the server how its list is paged")]
    count = "" if first.total is None else f": {first.total:,} since yesterday"
    return [ok("list", f"the list of requests can be read{count}")]


async def _read(api: Api, number: int) -> Heard:
    """Read a page of the latest requests, at its turn in the pace."""
    clock = api.services.clock
    today = clock.now().date()
    asked_at = clock.now()

    async def call() -> Answer:
        nonlocal asked_at
        asked_at = clock.now()  # after its turn has come
        return await api.client.list_requests(
            first_day=today - _ONE_DAY, last_day=today + _ONE_DAY, page=number
        )

    answer = await ask(api.view(), call, tries=1)
    return Heard(answer=answer, asked_at=asked_at, heard_at=clock.now())
