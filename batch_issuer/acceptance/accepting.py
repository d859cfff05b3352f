"""Accepts an input file: copies, checks and plans it, and records all of that before anything is sent."""

import asyncio
import errno
import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from batch_issuer.acceptance.checked import refuse_invalid
from batch_issuer.acceptance.options import IssueOptions, input_options, recorded_options
from batch_issuer.acceptance.ways import Findings, InOnePiece, Way
from batch_issuer.assembly import Services, open_api
from batch_issuer.batch.badges import BadgeBook
from batch_issuer.batch.ids import BatchId, make_batch_id
from batch_issuer.errors import (
    AlreadyIssued,
    BatchInUse,
    InputRefused,
    Interrupted,
    OutputNotWritable,
    UsageError,
)
from batch_issuer.gateway import Access
from batch_issuer.intake import Source, open_source
from batch_issuer.intake.copying import StagedInput, copy_in, file_sha256, remove_leftovers, stage_input
from batch_issuer.ledger import Batch, BatchStage
from batch_issuer.ledger.batches import delete_problems, find_batch, insert_batch
from batch_issuer.preflight import look_up_badges
from batch_issuer.recording import forget, forget_recorded, record_plan, refuse_same_content
from batch_issuer.reports.files import sync_folder
from batch_issuer.spread import InParts
from batch_issuer.submission import Lease

log = logging.getLogger(__name__)

_LEFT_BEHIND: Final = timedelta(days=1)
"""A copy that was made so long ago, and has no batch id yet, belongs to a process that was killed."""
_FORGOTTEN_AFTER: Final = (InputRefused, AlreadyIssued, Interrupted, UsageError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A batch that the ledger holds, with the copy of its input."""

    batch: Batch
    source: Source
    folder: Path
    refusal: str = ""
    """Why nothing of it will be sent, where that is so."""


async def accept(services: Services, file: Path, options: IssueOptions, access: Access) -> Accepted:
    """Copy, check, plan and record a file; from then on only the copy and the ledger count.

    Raises InputRefused for a file that can't be read as a spreadsheet, AlreadyIssued, BatchInUse,
    StillChanging, Interrupted, UsageError; after each of them neither the ledger nor the output folder
    knows the file. After EngineUnavailable `accept_again` finishes it.
    Killed at any moment it leaves nothing that the ledger knows, or a batch that `accept_again` finishes.
    """
    settings = services.settings
    await asyncio.to_thread(remove_leftovers, settings.output, before=services.clock.now() - _LEFT_BEHIND)
    staged = await asyncio.to_thread(
        stage_input, file, output=settings.output, max_bytes=settings.max_file_bytes, look=options.look
    )
    try:
        batch = await _new_batch(services, file, staged, options, access)
        source = await asyncio.to_thread(
            open_source, staged.path, input_options(batch.settings), name=batch.input_name
        )
        if not options.again:
            await services.ledger.read(refuse_same_content, batch)
        folder = _name_folder(services, staged, batch.batch)
    except BaseException:
        staged.discard()
        raise
    accepted = Accepted(batch=batch, source=source.at(copy_in(folder)), folder=folder)
    try:
        async with services.lease(batch.batch) as lease:
            await lease.write(insert_batch, batch)
            recording = _Recording(services=services, lease=lease, options=options, access=access)
            return await recording.record(accepted, forget_on=_FORGOTTEN_AFTER)
    except BatchInUse:  # the same content was named alike for another output folder at the same moment
        _discard(accepted)
        raise


async def accept_again(services: Services, batch: Batch, access: Access) -> Accepted:
    """Finish a batch whose recording was cut off, as it would have been: from its copy, with its own options.

    Raises UsageError where the copy is not what it was, and Interrupted; then it can be finished later.
    After InputRefused or AlreadyIssued neither the ledger nor the output folder knows the file.
    """
    accepted = await reopen(services, batch)
    async with services.lease(batch.batch) as lease:
        present = await services.ledger.read(find_batch, batch.batch)
        if present is None or present.stage is not BatchStage.RECORDING:
            raise BatchInUse(batch.batch)  # somebody else has finished it meanwhile
        await forget_recorded(lease, batch.batch)
        options = recorded_options(batch)
        recording = _Recording(services=services, lease=lease, options=options, access=access)
        return await recording.record(accepted, forget_on=(InputRefused, AlreadyIssued))


def _discard(accepted: Accepted) -> None:
    StagedInput(folder=accepted.folder, sha256=accepted.batch.input_sha256).discard()


async def reopen(services: Services, batch: Batch) -> Accepted:
    """Take up a recorded batch again. Raises UsageError where the copy of its input is not what it was."""
    folder = services.batch_folder(batch.batch)
    path = copy_in(folder)
    if not path.is_file() or await asyncio.to_thread(file_sha256, path) != batch.input_sha256:
        raise UsageError(f"{path} is not the input that batch {batch.batch} was made from; restore it")
    source = await asyncio.to_thread(open_source, path, input_options(batch.settings), name=batch.input_name)
    return Accepted(batch=batch, source=source, folder=folder)


async def _new_batch(
    services: Services, file: Path, staged: StagedInput, options: IssueOptions, access: Access
) -> Batch:
    """Name the batch; of two that the same content would name alike the later one counts a second more."""
    now = services.clock.now()
    batch_id = make_batch_id(accepted_at=now, sha256=staged.sha256)
    while services.batch_folder(batch_id).exists() or await _is_known(services, batch_id):
        now += timedelta(seconds=1)
        batch_id = make_batch_id(accepted_at=now, sha256=staged.sha256)
    return Batch(
        batch=batch_id,
        name=options.name,
        base_url=access.base_url,
        org_id=access.org_id,
        stage=BatchStage.RECORDING,
        input_name=options.file_name or file.name,
        input_sha256=staged.sha256,
        settings={**services.settings.public(), **options.decided()},
        timeline=services.ledger.timeline,
        created_at=services.clock.timestamp(),
        started_at=services.clock.timestamp(),
        inbox_file=options.inbox_file,
        issued_by=options.issued_by,
        upload=options.upload,
    )


async def _is_known(services: Services, batch: BatchId) -> bool:
    return await services.ledger.read(find_batch, batch) is not None


def _name_folder(services: Services, staged: StagedInput, batch: BatchId) -> Path:
    folder = services.batch_folder(batch)
    try:
        staged.folder.rename(folder)
        sync_folder(folder)
        sync_folder(folder.parent)
    except OSError as exc:
        if exc.errno in {errno.ENOTEMPTY, errno.EEXIST}:  # the same content came at the same moment
            raise BatchInUse(batch) from exc
        raise OutputNotWritable(folder.parent, exc.strerror) from exc
    return folder


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recording:
    """Records a file under the lease of its batch."""

    services: Services
    lease: Lease
    options: IssueOptions
    access: Access

    async def record(self, accepted: Accepted, *, forget_on: tuple[type[Exception], ...]) -> Accepted:
        """Record a file, and forget all of it where that ends in one of some errors."""
        began = self.services.clock.uptime()
        try:
            recorded = await self._record_all(accepted)
        except forget_on:
            await forget(self.lease, accepted.batch.batch)
            _discard(accepted)
            raise
        fields = {"batch": recorded.batch.batch, "count": recorded.batch.rows}
        log.info(
            "input refused" if recorded.refusal else "batch accepted",
            extra={**fields, "seconds": self.services.clock.uptime() - began},
        )
        return recorded

    async def _record_all(self, accepted: Accepted) -> Accepted:
        """Record problems, plan and requests in short transactions, and the acceptance in the last."""
        batch, sheet = accepted.batch, accepted.source.sheet
        found, book = await self._check(batch, accepted.source)
        refusal = refuse_invalid(found.figures, self.options)
        counted = replace(
            batch,
            stage=BatchStage.REFUSED if refusal else BatchStage.ACCEPTED,
            rows=found.figures.total,
            invalid=found.figures.invalid,
            repairs=dict(found.figures.repairs),
            form=sheet.form,
            warnings=tuple(filter(None, (*found.warnings, book.warning))),
            badges=book.names,
        )
        planned = await found.plan(counted)
        is_guarded = not (refusal or self.options.again)
        recorded = await record_plan(self.services, self.lease, counted, planned, is_guarded=is_guarded)
        return replace(accepted, batch=recorded, refusal=refusal)

    async def _check(self, batch: Batch, source: Source) -> tuple[Findings, BadgeBook]:
        """Check all rows; where a badge turns out to be bad, check them again with that known."""
        way = self._way(batch)
        found = await way.check(source)
        if not self.options.check_badges:
            return found, BadgeBook(today=self.services.clock.now())
        uses = found.badge_uses()
        async with open_api(self.services, self.access) as api:
            book = await look_up_badges(api, {badge for badge, _, _ in uses})
        if book.faults(uses):
            await self.lease.write(delete_problems, batch.batch)
            found = await way.check(source.knowing(book))
        return found, book

    def _way(self, batch: Batch) -> Way:
        engine = self.services.engine
        if engine is None:
            return InOnePiece(services=self.services, lease=self.lease, batch=batch)
        return InParts(services=self.services, lease=self.lease, batch=batch, engine=engine)
