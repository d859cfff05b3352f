"""Checks that take calls of the API: only reads, each at its turn in the pace, none once time is up."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from batch_issuer.assembly import Services
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.diagnosis.badges import check_badges
from batch_issuer.diagnosis.caller import Caller, Met, check_pages, meet
from batch_issuer.diagnosis.findings import Findings, not_checked, ok, problem
from batch_issuer.diagnosis.survey import Survey
from batch_issuer.diagnosis.time_of_day import check_clock
from batch_issuer.errors import SettingsError
from batch_issuer.gateway import Access, checker_access, read_access

T = TypeVar("T")

CALLS: Final = ("credentials", "clock", "list", "badges", "submitting", "checker")
_LOGIN: Final = ("username", "password", "client_key", "client_secret", "ui_auth_token")
_CHECKER: Final = tuple(f"checker_{name}" for name in _LOGIN)
_ACCESS: Final = ("base_url", "allow_http", "workflow_path", "requests_path", "org_id")
_SUBMITTING: Final = not_checked(
    "submitting",
    "no harmless call tells whether the maker may submit, and WORKFLOW_PATH is right",
    "issue a file of one row first",
)
_LATE: Final = "no answer was there in time"
_LATE_ADVICE: Final = "the server is slow, or other programs use up the pace: try again, or raise TIMEOUT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """When all checks must be through, in the event loop's time."""

    at: float

    async def keep(self, work: Awaitable[T]) -> T | None:
        """Return what some work brings, or None where it is too late for it."""
        try:
            async with asyncio.timeout_at(self.at):
                return await work
        except TimeoutError:
            return None


async def check_calls(survey: Survey, services: Services, deadline: Deadline) -> Findings:
    """Check what the maker and the checker may read."""
    maker, path = await _check_maker(survey, services, deadline)
    checker = await deadline.keep(_check_checker(survey, services, path))
    return [*maker, *(checker or _late("checker"))]


def none_checked(reason: str, *checks: str) -> Findings:
    """Say of several checks why they were left out."""
    return [not_checked(check, reason) for check in checks]


async def _check_maker(survey: Survey, services: Services, deadline: Deadline) -> tuple[Findings, str | None]:
    """Check the maker's calls, and return the path under which the list is, where that is known."""
    lacking = survey.lacks(*_ACCESS, *_LOGIN)
    try:
        access = read_access(services.settings)
    except SettingsError:
        lacking = lacking or "what it takes to log in is missing"
    if lacking:
        return none_checked(lacking, *CALLS[:-1]), None
    late = problem("credentials", _LATE, _LATE_ADVICE, code=ExitCode.NOT_FINISHED)
    entered = await deadline.keep(meet(services, Caller(access=access, check="credentials")))
    met = entered or Met(findings=[late])
    reads = await _check_reads(services, met, deadline)
    path = met.access.requests_path if met.access else None
    return [*met.findings, check_clock(met.heard), *reads, _SUBMITTING], path


async def _check_reads(services: Services, met: Met, deadline: Deadline) -> Findings:
    """Check what else the maker reads, where the list could be read."""
    first = met.heard.answer.page if met.heard else None
    if met.access is None or first is None:
        return none_checked("the list of requests could not be read", "list", "badges")
    pages = await deadline.keep(check_pages(services, met.access, first))
    badges = await deadline.keep(check_badges(services, met.access))
    return [*(pages or _late("list")), *(badges or _late("badges"))]


def _late(check: str) -> Findings:
    return [not_checked(check, _LATE, _LATE_ADVICE)]


async def _check_checker(survey: Survey, services: Services, path: str | None) -> Findings:
    """Check that the checker's credentials are the checker's alone, and are taken."""
    settings = services.settings
    lacking = survey.lacks(*_ACCESS, *_CHECKER)
    if lacking:
        return none_checked(lacking, "checker")
    if not any(getattr(settings, name) for name in _CHECKER):
        return [ok("checker", "no checker's credentials are given; only `decide` needs them")]
    if settings.base_url is None:
        return none_checked("BASE_URL is missing", "checker")
    try:
        access = checker_access(settings)
    except SettingsError as exc:
        return [problem("checker", text) for text in exc.problems]
    return (await meet(services, _checker(access, path))).findings


def _checker(access: Access, path: str | None) -> Caller:
    known = access if path is None else replace(access, requests_path=path)
    return Caller(access=known, check="checker", prefix="CHECKER_")
