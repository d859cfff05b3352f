"""Runs every check, each also where an earlier one found a problem, within a bounded time."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from pydantic import SecretStr

from batch_issuer.assembly import Services, open_services
from batch_issuer.clock import Clock
from batch_issuer.diagnosis.calls import CALLS, Deadline, check_calls, none_checked
from batch_issuer.diagnosis.channels import check_channels
from batch_issuer.diagnosis.configuration import check_settings
from batch_issuer.diagnosis.findings import Finding, Findings, not_checked, problem
from batch_issuer.diagnosis.folders import check_folders
from batch_issuer.diagnosis.records import check_ledger
from batch_issuer.diagnosis.server import check_server
from batch_issuer.diagnosis.survey import Survey
from batch_issuer.diagnosis.workers import OpenStaffed, check_workers
from batch_issuer.errors import LedgerUnavailable, UsageError
from batch_issuer.ledger import ledger_file
from batch_issuer.redaction import Redactor
from batch_issuer.settings import Settings
from batch_issuer.site import Site

_SPARE_SECONDS: Final = 2.0
"""Calls may take so much longer than TIMEOUT, all together; before them, the server is looked for in 10 s."""
_PLACES: Final = ("output", "disk", "ledger", "batches")
_ENGINE: Final = ("engine", "engine_ca_file", "engine_cert_file", "engine_key_file")
_WAY: Final = ("server", "certificate")


async def examine(
    survey: Survey,
    *,
    clock: Clock,
    trusted: ssl.SSLContext | None = None,
    spare_seconds: float = _SPARE_SECONDS,
    open_engine: OpenStaffed | None = None,
) -> Findings:
    """Run every check, in some seconds more than TIMEOUT. Only reads are called, and nothing is changed.

    A file is written to the output folder and deleted, and each call takes its turn in the ledger's pace.
    `trusted` is what verifies the server's certificate, in the check of that alone; `open_engine` is needed
    where the settings name an engine.
    """
    settings = survey.settings
    findings = check_settings(survey)
    if settings is None:
        return [*findings, *none_checked("the settings can't be read", "notices", *_PLACES, *_WAY, *CALLS)]
    (places, is_usable), (way, is_reached) = await asyncio.gather(
        _check_places(survey, settings), _check_way(survey, settings, clock, trusted)
    )
    workers = await _check_engine(survey, settings, open_engine, uses_ledger=is_usable)
    findings += [await _check_channels(survey, settings), *places, *workers, *way]
    if is_reached:
        findings += await _check_calls(survey, settings, clock, uses_ledger=is_usable, spare=spare_seconds)
    else:
        findings += none_checked("the server can't be reached", *CALLS)
    redact = Redactor(settings.secrets())
    return [_shown(finding, redact) for finding in findings]


async def _check_channels(survey: Survey, settings: Settings) -> Finding:
    lacking = survey.lacks("notify", "notify_checkers")
    return not_checked("notices", lacking) if lacking else await check_channels(settings)


async def _check_engine(
    survey: Survey, settings: Settings, open_engine: OpenStaffed | None, *, uses_ledger: bool
) -> Findings:
    """Check the engine and its workers, where there shall be any."""
    if open_engine is None or (settings.engine is None and not survey.lacks("engine")):
        return []
    lacking = survey.lacks(*_ENGINE, "output", "ledger")
    if lacking:
        return none_checked(lacking, "engine")
    return await check_workers(Site(settings), open_engine, uses_ledger=uses_ledger)


async def _check_calls(
    survey: Survey, settings: Settings, clock: Clock, *, uses_ledger: bool, spare: float
) -> Findings:
    try:
        async with _open_for_calls(settings, clock, uses_ledger=uses_ledger) as services:
            deadline = Deadline(at=asyncio.get_running_loop().time() + settings.timeout + spare)
            return await check_calls(survey, services, deadline)
    except (LedgerUnavailable, UsageError) as exc:
        reason = "the ledger keeps the pace of calls, and can't be used"
        return [problem("ledger", str(exc), code=exc.exit_code), *none_checked(reason, *CALLS)]
    except OSError as exc:
        return none_checked(f"there is no folder for temporary files ({exc.strerror})", *CALLS)


async def _check_places(survey: Survey, settings: Settings) -> tuple[Findings, bool]:
    """Check folders and ledger, and tell whether the ledger can be used as it is."""
    lacking = survey.lacks("output", "ledger")
    if lacking:
        return none_checked(lacking, *_PLACES), False
    file = ledger_file(settings.ledger_url)
    folders = [] if file is None else [file.parent]
    findings = await asyncio.to_thread(check_folders, settings.output, *folders)
    ledger, is_usable = await check_ledger(settings)
    return [*findings, *ledger], is_usable


async def _check_way(
    survey: Survey, settings: Settings, clock: Clock, trusted: ssl.SSLContext | None
) -> tuple[Findings, bool]:
    """Check the way to the server, and tell whether it leads there."""
    lacking = survey.lacks("base_url", "allow_http") or ("" if settings.base_url else "BASE_URL is missing")
    if settings.base_url is None or lacking:
        return none_checked(lacking, *_WAY), False
    return await check_server(
        settings.base_url, timeout_seconds=settings.timeout, now=clock.now(), trusted=trusted
    )


@asynccontextmanager
async def _open_for_calls(settings: Settings, clock: Clock, *, uses_ledger: bool) -> AsyncIterator[Services]:
    """Open what calls need; where the ledger can't be used, one that is thrown away holds their pace."""
    async with AsyncExitStack() as stack:
        if not uses_ledger:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="batch_issuer-")))
            settings = settings.model_copy(update={"ledger": SecretStr(f"sqlite:///{folder / 'ledger.db'}")})
        yield await stack.enter_async_context(open_services(settings, clock=clock, stopping=asyncio.Event()))


def _shown(finding: Finding, redact: Redactor) -> Finding:
    """Keep secrets and line breaks out of what is shown: some of it is the server's or the system's words."""
    found, advice = (" ".join(redact(text).split()) for text in (finding.found, finding.advice))
    return replace(finding, found=found, advice=advice)
