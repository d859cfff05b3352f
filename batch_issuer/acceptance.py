"""Accepts an input file: copies, checks and plans it, and records all of that before anything is sent."""

import asyncio
import errno
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from batch_issuer.assembly import Services
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
from batch_issuer.intake import (
    COLUMNS,
    CheckedFrame,
    ColumnOptions,
    InputOptions,
    InputRules,
    Limits,
    SheetOptions,
    Source,
    check_rows,
    open_source,
)
from batch_issuer.intake.copying import StagedInput, copy_in, file_sha256, remove_leftovers, stage_input
from batch_issuer.ledger import Batch, BatchStage
from batch_issuer.ledger.batches import find_batch, insert_batch, insert_problems
from batch_issuer.planning import MaxInvalid, RowCollector, plan_requests
from batch_issuer.recording import forget, forget_recorded, record_plan, refuse_same_content
from batch_issuer.reports.files import sync_folder
from batch_issuer.submission import Lease

OnInvalid = Literal["stop", "skip"]
_LEFT_BEHIND: Final = timedelta(days=1)
"""A copy that was made so long ago, and has no batch id yet, belongs to a process that was killed."""
_HOW_WRITTEN: Final = ("encoding", "delimiter", "sheet")
_FORGOTTEN_AFTER: Final = (InputRefused, AlreadyIssued, Interrupted)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueOptions:
    """What the user decides about one file besides the settings."""

    name: str = ""
    sheet: SheetOptions = field(default_factory=SheetOptions)
    mapped: Mapping[str, str] = field(default_factory=dict)
    on_invalid: OnInvalid = "stop"
    max_invalid: MaxInvalid = field(default_factory=lambda: MaxInvalid.parse("10%"))
    again: bool = False
    new_ledger: bool = False
    """Go on beside batches that were sent with another ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A batch that the ledger holds, with the copy of its input."""

    batch: Batch
    source: Source
    folder: Path
    refusal: str = ""
    """Why nothing of it will be sent, where that is so."""


def input_options(facts: Mapping[str, Any]) -> InputOptions:
    """Read how a file is to be read from settings, as they are or as a batch recorded them."""
    return InputOptions(
        sheet=SheetOptions(**{name: facts.get(name) for name in _HOW_WRITTEN}),
        columns=ColumnOptions(
            mapped=facts.get("map", {}),
            defaults={name: facts[name] for name in COLUMNS if facts.get(name)},
        ),
        rules=InputRules(badge_pattern=facts["badge_pattern"]),
        timezone=ZoneInfo(facts["timezone"]),
        limits=Limits(max_rows=facts["max_rows"], max_cell_chars=facts["max_cell_chars"]),
    )


async def accept(services: Services, file: Path, options: IssueOptions, access: Access) -> Accepted:
    """Copy, check, plan and record a file; from then on only the copy and the ledger count.

    Raises InputRefused for a file that can't be read as a spreadsheet, AlreadyIssued, BatchInUse,
    Interrupted, UsageError; after each of them neither the ledger nor the output folder knows the file.
    Killed at any moment it leaves nothing that the ledger knows, or a batch that `accept_again` finishes.
    """
    settings = services.settings
    await asyncio.to_thread(remove_leftovers, settings.output, before=services.clock.now() - _LEFT_BEHIND)
    staged = await asyncio.to_thread(
        stage_input, file, output=settings.output, max_bytes=settings.max_file_bytes
    )
    try:
        batch = await _new_batch(services, file, staged, options, access)
        source = await asyncio.to_thread(
            open_source, staged.path, input_options(batch.settings), name=file.name
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
            return await _record(services, lease, accepted, options, forget_on=_FORGOTTEN_AFTER)
    except BatchInUse:  # the same content was named alike for another output folder at the same moment
        _discard(accepted)
        raise


async def accept_again(services: Services, batch: Batch) -> Accepted:
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
        return await _record(services, lease, accepted, options, forget_on=(InputRefused, AlreadyIssued))


def _discard(accepted: Accepted) -> None:
    StagedInput(folder=accepted.folder, sha256=accepted.batch.input_sha256).discard()


def recorded_options(batch: Batch) -> IssueOptions:
    """Read back what the user decided about the file of a batch."""
    decided = batch.settings
    return IssueOptions(
        name=batch.name,
        sheet=SheetOptions(**{name: decided.get(name) for name in _HOW_WRITTEN}),
        mapped=decided["map"],
        on_invalid=decided["on_invalid"],
        max_invalid=MaxInvalid.parse(decided["max_invalid"]),
        again=decided["again"],
    )


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
    decided = {
        **asdict(options.sheet),
        "map": dict(options.mapped),
        "on_invalid": options.on_invalid,
        "max_invalid": str(options.max_invalid),
        "again": options.again,
    }
    return Batch(
        batch=batch_id,
        name=options.name,
        base_url=access.base_url,
        org_id=access.org_id,
        stage=BatchStage.RECORDING,
        input_name=file.name,
        input_sha256=staged.sha256,
        settings={**services.settings.public(), **decided},
        timeline=services.ledger.timeline,
        created_at=services.clock.timestamp(),
        started_at=services.clock.timestamp(),
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


async def _record(
    services: Services,
    lease: Lease,
    accepted: Accepted,
    options: IssueOptions,
    *,
    forget_on: tuple[type[Exception], ...],
) -> Accepted:
    """Record a file, and forget all of it where that ends in one of some errors."""
    try:
        return await _record_all(services, lease, accepted, options)
    except forget_on:
        await forget(lease, accepted.batch.batch)
        _discard(accepted)
        raise


async def _record_all(
    services: Services, lease: Lease, accepted: Accepted, options: IssueOptions
) -> Accepted:
    """Record problems, plan and requests in short transactions, and the acceptance in the last."""
    batch = accepted.batch
    checked = await _check(services, lease, batch.batch, accepted.source)
    refusal = refuse_invalid(checked, options)
    counted = replace(
        batch,
        stage=BatchStage.REFUSED if refusal else BatchStage.ACCEPTED,
        rows=checked.total,
        invalid=checked.invalid,
        repairs=dict(checked.repairs),
        form=accepted.source.sheet.form,
        warnings=accepted.source.sheet.warnings,
    )
    table, chunk_size = checked.rows.table(), batch.settings["chunk_size"]
    plan = await asyncio.to_thread(plan_requests, table, chunk_size=chunk_size)
    is_guarded = not (refusal or options.again)
    recorded = await record_plan(services, lease, counted, plan, is_guarded=is_guarded)
    return replace(accepted, batch=recorded, refusal=refusal)


@dataclass(slots=True, kw_only=True)
class Checked:
    """The figures of a checked file, and its valid rows."""

    rows: RowCollector = field(default_factory=RowCollector)
    repairs: Counter[str] = field(default_factory=Counter)
    total: int = 0
    invalid: int = 0

    def add(self, frame: CheckedFrame) -> None:
        """Take one checked frame."""
        self.rows.add(frame.frame)
        self.repairs += frame.repairs
        self.total += len(frame.raw.numbers)
        self.invalid += len(frame.raw.numbers) - len(frame.frame)


async def _check(services: Services, lease: Lease, batch: BatchId, source: Source) -> Checked:
    """Check all rows, recording problems as they come."""
    checked = Checked()
    frames = check_rows(source)
    while (frame := await asyncio.to_thread(next_frame, frames, checked)) is not None:
        if services.stopping.is_set():
            raise Interrupted("stopped while the file was checked; nothing was accepted, and nothing sent")
        if frame.problems:
            await lease.write_block(insert_problems, batch, frame.raw.numbers[0], frame.problems)
        services.progress.rows_checked(len(frame.raw.numbers))
    return checked


def next_frame(frames: Iterator[CheckedFrame], checked: Checked) -> CheckedFrame | None:
    """Check the next rows and count them, or return None after the last."""
    frame = next(frames, None)
    if frame is not None:
        checked.add(frame)
    return frame


def refuse_invalid(checked: Checked, options: IssueOptions) -> str:
    """Say why invalid rows keep the whole file from being sent, or nothing where they do not."""
    if not checked.invalid:
        return ""
    rows = "row" if checked.total == 1 else "rows"
    found = (
        f"{checked.invalid:,} of {checked.total:,} {rows} {'is' if checked.invalid == 1 else 'are'} invalid"
    )
    if checked.invalid == checked.total:
        return f"{found}, and none is left to send: correct them and issue the file again"
    if options.on_invalid == "stop":
        return f"{found}: correct them and issue the file again, or add --on-invalid skip to send the others"
    if not options.max_invalid.allows(invalid=checked.invalid, rows=checked.total):
        allowed = f"--max-invalid {options.max_invalid} allows"
        return f"{found}, more than {allowed}: correct them and issue the file again"
    return ""
