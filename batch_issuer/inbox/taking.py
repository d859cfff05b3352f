"""Takes one file from its claim to its place, and goes on with one whose batch did not finish."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from batch_issuer.acceptance import IssueOptions, reopen
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.errors import (
    AlreadyIssued,
    BatchInUse,
    BatchIssuerError,
    BatchTakenOver,
    InputRefused,
    OutputNotWritable,
    StillChanging,
    UsageError,
)
from batch_issuer.inbox.folder import Found, lease_of
from batch_issuer.inbox.moving import Content, Standing
from batch_issuer.inbox.results import FileResult
from batch_issuer.inbox.settling import GOES_TO, name_of, not_moved, refuse, settle_batch
from batch_issuer.inbox.work import Work, stopping_alone
from batch_issuer.intake import SheetOptions
from batch_issuer.intake.copying import Look
from batch_issuer.intake.kinds import FileKind, kind_of
from batch_issuer.ledger import Batch, BatchStage
from batch_issuer.ledger.batches import find_batch
from batch_issuer.ledger.inbox import unmoved_batch_of
from batch_issuer.pipeline import issue, resume, show
from batch_issuer.reporting import report
from batch_issuer.reports import Summary
from batch_issuer.submission import Lease

log = logging.getLogger(__name__)

_REFUSALS: Final = (InputRefused, AlreadyIssued)


async def take_file(work: Work, found: Found) -> FileResult | None:
    """Issue a new file, and move it; None where another process has it, or it is not complete after all."""
    try:
        async with _claim(work, work.inbox.file_id(found.name)) as claim:
            # another process may have had it since it was seen
            if await work.services.ledger.read(unmoved_batch_of, work.inbox.file_id(found.name)):
                return None
            if not _stands(work.inbox.path / found.name, found.look):
                return None
            return await _issue(work, claim, found)
    except (BatchInUse, BatchTakenOver):
        log.info("file held by another process", extra={"file": found.name})
        return None


async def finish_batch(work: Work, batch: Batch) -> FileResult | None:
    """Bring a batch of an earlier pass, and its file, to the end; None where another process does."""
    name = name_of(batch)
    try:
        async with _claim(work, batch.inbox_file) as claim:
            known = await work.services.ledger.read(find_batch, batch.batch)
            if known is None or known.inbox_moved:
                return None
            result = await _finish(work, claim, known)
    except (BatchInUse, BatchTakenOver):
        log.info("file held by another process", extra={"file": name})
        return None
    return None if result is None else replace(result, is_resumed=True)


@asynccontextmanager
async def _claim(work: Work, file_id: str) -> AsyncIterator[Lease]:
    async with work.services.lease(lease_of(file_id)) as claim:
        yield claim


def _stands(path: Path, look: Look) -> bool:
    try:
        return Look.at(path) == look
    except OSError:
        return False


async def _issue(work: Work, claim: Lease, found: Found) -> FileResult | None:
    path = work.inbox.path / found.name
    log.info("file taken", extra={"file": found.name})
    try:
        options = await asyncio.to_thread(_options_for, work, found)
        async with stopping_alone(work.services) as services:
            summary = await issue(services, path, options)
    except StillChanging:
        log.info("file not complete yet", extra={"file": found.name})
        return None
    except _REFUSALS as exc:
        return await refuse(work, claim, found.name, Standing(look=found.look), exc)
    except (BatchInUse, BatchTakenOver):
        raise
    except OutputNotWritable as exc:
        return not_moved(found.name, str(exc), ExitCode.NOT_FINISHED)
    except UsageError as exc:  # it can't be read, or somebody took it away
        return not_moved(found.name, str(exc)) if path.exists() else None
    except BatchIssuerError as exc:
        return not_moved(found.name, str(exc), exc.exit_code)
    return await settle_batch(work, claim, summary.batch, summary)


def _options_for(work: Work, found: Found) -> IssueOptions:
    """Return the options that hold for a file; how text is written says nothing of another."""
    options = work.options.issue
    if kind_of(work.inbox.path / found.name) is not FileKind.TEXT:
        options = replace(options, sheet=SheetOptions(sheet=options.sheet.sheet))
    return replace(options, inbox_file=work.inbox.file_id(found.name), look=found.look)


async def _finish(work: Work, claim: Lease, known: Batch) -> FileResult | None:
    name = name_of(known)
    try:
        summary = await _bring_to_end(work, known)
    except _REFUSALS as exc:
        return await refuse(work, claim, name, Content(sha256=known.input_sha256), exc)
    except (BatchInUse, BatchTakenOver):
        raise
    except UsageError as exc:
        return not_moved(name, str(exc), ExitCode.NOT_FINISHED, known.batch)
    except BatchIssuerError as exc:
        return not_moved(name, str(exc), exc.exit_code, known.batch)
    return await settle_batch(work, claim, known, summary)


async def _bring_to_end(work: Work, known: Batch) -> Summary:
    services = work.services
    folder = services.batch_folder(known.batch)
    if not folder.is_dir():
        raise UsageError(
            f"batch {known.batch} can't be finished here, for {folder} does not exist; "
            "run `batch-issuer inbox` where it was begun"
        )
    if known.stage is not BatchStage.RECORDING and known.exit_code in GOES_TO:
        return await show(services, known.batch)
    if known.stage is BatchStage.REFUSED:  # a kill kept its files from being written
        message = "Nothing was sent: correct the invalid rows and put the file into the folder again"
        accepted = await reopen(services, known)
        return await report(services, accepted, message=message, code=ExitCode.INPUT_REFUSED)
    async with stopping_alone(services) as own:
        return await resume(own, known.batch)
