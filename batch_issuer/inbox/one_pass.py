"""One pass over a folder: what did not finish first, then new files, then the states that are open."""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from batch_issuer.assembly import Services
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.clock import format_instant
from batch_issuer.errors import BatchIssuerError, LedgerUnavailable
from batch_issuer.gateway import sending_access
from batch_issuer.inbox.folder import Contents, look_around, open_inbox
from batch_issuer.inbox.refreshing import refresh_batch
from batch_issuer.inbox.results import FileResult, PassResult
from batch_issuer.inbox.settling import name_of, not_moved
from batch_issuer.inbox.taking import finish_batch, take_file
from batch_issuer.inbox.work import PassOptions, Work, server_answers
from batch_issuer.ledger.inbox import open_moved_batches, unmoved_batches
from batch_issuer.pipeline import refuse_foreign_batches
from batch_issuer.reports import Summary
from batch_issuer.submission import pause

log = logging.getLogger(__name__)

_RENAME: Final = "the name of {} can't be kept: rename it, with no control characters and at most 200 bytes"


async def work_folder(services: Services, folder: Path, options: PassOptions) -> PassResult:
    """Make one pass over a folder.

    One file's fate never keeps the others from being taken, unless it is that the server refused the
    credentials or does not answer, or that the ledger fails. Raises UsageError where the folder or the
    settings keep everything from being taken, and LedgerUnavailable before the first file.
    """
    sending_access(services.settings)
    if not options.issue.new_ledger:
        await refuse_foreign_batches(services)
    inbox = await open_inbox(services, folder)
    one = _Pass(work=Work(services=services, inbox=inbox, options=options))
    try:
        await one.finish_unfinished()
        await one.take_new()
        await one.refresh_open()
    except LedgerUnavailable as exc:
        if not one.has_worked:
            raise
        one.stop(str(exc), ExitCode.NOT_FINISHED)
    return one.result()


@dataclass(slots=True, kw_only=True)
class _Pass:
    """What a pass has done so far."""

    work: Work
    message: str = ""
    stopped: ExitCode | None = None
    files: list[FileResult] = field(default_factory=list)
    refreshed: list[Summary] = field(default_factory=list)
    contents: Contents = field(default_factory=Contents)

    @property
    def has_worked(self) -> bool:
        return bool(self.files or self.refreshed)

    def is_over(self) -> bool:
        """Tell whether what is left to do must be left to the next pass."""
        if self.work.services.stopping.is_set() and not self.message:
            self.stop("stopped; the next pass goes on", ExitCode.NOT_FINISHED)
        return bool(self.message)

    def stop(self, message: str, code: ExitCode) -> None:
        self.message, self.stopped = message, code
        log.warning("no more files are taken", extra={"code": int(code), "reason": message})

    async def finish_unfinished(self) -> None:
        """Bring the batches of earlier passes to the end."""
        work = self.work
        for batch in await work.services.ledger.read(unmoved_batches, work.inbox.id):
            if self.is_over():
                return
            await self._deal(name_of(batch), finish_batch(work, batch))

    async def take_new(self) -> None:
        """Take the files that are complete, the oldest first."""
        if self.message:
            return
        self.contents = await self._look()
        for name in self.contents.others:
            log.info("file left alone", extra={"file": name})
        self.files += [not_moved(name, _RENAME.format(name)) for name in self.contents.unnamable]
        for found in self.contents.complete:
            if self.is_over():
                return
            await self._deal(found.name, take_file(self.work, found))

    async def refresh_open(self) -> None:
        """Ask for the states that earlier batches still wait for."""
        services, days = self.work.services, self.work.options.refresh_open_days
        since = format_instant(services.clock.now() - timedelta(days=days))
        dealt_with = {file.batch for file in self.files}
        if not days or self.message:
            return
        for batch in await services.ledger.read(open_moved_batches, self.work.inbox.id, since=since):
            if self.is_over():
                return
            summary = None if batch.batch in dealt_with else await refresh_batch(self.work, batch)
            if summary is not None:
                self.refreshed.append(summary)
                await self._heed(summary.exit_code)

    async def _look(self) -> Contents:
        services, rule, path = self.work.services, self.work.options.rule, self.work.inbox.path
        now = services.clock.now
        contents = await asyncio.to_thread(look_around, path, rule, now())
        if contents.ahead:
            await pause(rule.min_age, services.clock, services.stopping)
            contents = await asyncio.to_thread(look_around, path, rule, now(), contents.ahead)
        return contents

    async def _deal(self, name: str, dealing: Coroutine[Any, Any, FileResult | None]) -> None:
        try:
            result = await dealing
        except BatchIssuerError:
            raise
        except Exception as exc:  # one file's trouble is not that of the others
            log.debug("error in the program", exc_info=True)
            problem = f"an error in the program ({type(exc).__name__}); run with -vv for more"
            result = not_moved(name, problem, ExitCode.PROGRAM_ERROR)
        if result is not None:
            self.files.append(result)
            await self._heed(result.exit_code)

    async def _heed(self, code: ExitCode) -> None:
        """End the pass where the others would fare no better."""
        services = self.work.services
        if code is ExitCode.NO_PERMISSION:
            self.stop("the server refused the credentials or the permission; correct the settings", code)
            return
        is_news = code is ExitCode.NOT_FINISHED and not services.stopping.is_set()
        if is_news and not await server_answers(services) and not services.stopping.is_set():
            self.stop("the server does not answer; the next pass tries again", code)

    def result(self) -> PassResult:
        """Return what was done."""
        return PassResult(
            files=tuple(self.files),
            refreshed=tuple(self.refreshed),
            waiting=tuple(found.name for found in self.contents.growing),
            message=self.message,
            stopped=self.stopped,
            again_in=self.contents.again_in,
        )
