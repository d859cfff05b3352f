"""What each command does, as stages in order: issue, resume, refresh, and the dry runs."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from batch_issuer.acceptance import (
    Accepted,
    Checked,
    IssueOptions,
    accept,
    input_options,
    next_frame,
    refuse_invalid,
    reopen,
)
from batch_issuer.assembly import Api, Progress, Services, open_api
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.batch.ids import BatchId
from batch_issuer.batch.requests import Stage
from batch_issuer.errors import UnknownBatch, UsageError
from batch_issuer.gateway import Access, AnswerKind, InnerCall, read_access, sending_access
from batch_issuer.intake import CheckedFrame, check_rows, open_source
from batch_issuer.intake.copying import check_file
from batch_issuer.ledger import Batch, BatchStage, Ledger
from batch_issuer.ledger.batches import find_batch, list_batches, update_batch
from batch_issuer.ledger.requests import count_by_stage, open_requests, unsent_requests
from batch_issuer.planning import Plan, plan_requests
from batch_issuer.reports import Ending, Summary, summarise, write_reports
from batch_issuer.settings import Settings
from batch_issuer.submission import Stop, Submitter
from batch_issuer.submission.sending_lock import sending_lock
from batch_issuer.submission.submitter import Unsent
from batch_issuer.tracking import Reading, Wait, first_day_of, read_states, wait_until_final

_NO_WAIT: Final = Wait()
_UNSENT_AT_ONCE: Final = 100
_REFUSED_ACCESS: Final = frozenset({AnswerKind.UNAUTHORIZED, AnswerKind.FORBIDDEN})


async def issue(services: Services, file: Path, options: IssueOptions, wait: Wait = _NO_WAIT) -> Summary:
    """Validate, plan, record, submit, write the files; then follow the states for as long as `wait` says."""
    access, inner = sending_access(services.settings)
    accepted = await accept(services, file, options, access)
    if accepted.refusal:
        return await _report(
            services, accepted, message=f"Nothing was sent. {accepted.refusal}", code=ExitCode.INPUT_REFUSED
        )
    return await _send(services, accepted, access, inner, wait)


async def resume(services: Services, batch: str | None, wait: Wait = _NO_WAIT) -> Summary:
    """Go on with a batch: send what is not sent yet, in the way that `issue` does."""
    access, inner = sending_access(services.settings)
    known = await find(services.ledger, batch, is_wanted=lambda b: b.stage is BatchStage.ACCEPTED)
    if known.stage is not BatchStage.ACCEPTED:
        raise UsageError(
            f"batch {known.batch} was never accepted, and nothing of it sent; issue its file again"
        )
    _check_same_server(known, access)
    accepted = await reopen(services, known)
    return await _send(services, accepted, access, inner, wait)


async def refresh(services: Services, batch: str | None, wait: Wait = _NO_WAIT) -> Summary:
    """Ask the server for the states that are not final, and write the files again."""
    access = read_access(services.settings)
    known = await find(services.ledger, batch, is_wanted=lambda b: b.stage is BatchStage.ACCEPTED)
    _check_same_server(known, access)
    accepted = await reopen(services, known)
    async with open_api(services, access) as api:
        reading = await _read_open(api, known)
        if wait.seconds and reading.failure is None and not reading.is_complete:
            reading = await _follow(api, known, wait) or reading
    return await _report_reading(services, accepted, reading, code=ExitCode.NOT_FINISHED)


async def _send(
    services: Services, accepted: Accepted, access: Access, inner: InnerCall, wait: Wait
) -> Summary:
    """Submit what is not sent, write the files, then follow. The one way for every command that sends."""
    batch = accepted.batch.batch
    async with open_api(services, access) as api:
        with sending_lock(accepted.folder, batch):
            stop = await _submit(api, batch, inner)
        summary = await _report(
            services,
            accepted,
            message=stop.message if stop else _interrupted(services),
            code=stop.exit_code if stop else None,
        )
        if stop is not None or services.stopping.is_set() or not wait.seconds:
            return summary
        reading = await _follow(api, accepted.batch, wait)
    return await _report_reading(services, accepted, reading, code=None)


async def _submit(api: Api, batch: BatchId, inner: InnerCall) -> Stop | None:
    services = api.services
    stages = await services.ledger.read(count_by_stage, batch)
    services.progress.requests_planned(stages.get(Stage.NOT_SENT, 0))
    submitter = Submitter(
        api.route(inner),
        stopping=services.stopping,
        on_rest=lambda _: services.progress.request_at_rest(),
    )
    return await submitter.submit_all(_unsent(services.ledger, batch))


async def _unsent(ledger: Ledger, batch: BatchId) -> AsyncIterator[Unsent]:
    """Yield the unsent requests in order of chunks, holding few of them at a time."""
    after = 0
    while block := await ledger.read(unsent_requests, batch, after, _UNSENT_AT_ONCE):
        for unsent in block:
            yield unsent
        after = block[-1][0].chunk


async def _read_open(api: Api, batch: Batch) -> Reading:
    """Read the states of the open requests once; where none is open, nothing is asked."""
    still_open = await api.services.ledger.read(open_requests, batch.batch)
    if not still_open:
        return Reading(asked=0)
    return await read_states(api.view(), still_open, since=first_day_of(batch.created_at))


async def _follow(api: Api, batch: Batch, wait: Wait) -> Reading | None:
    return await wait_until_final(api.view(), wait, lambda: _read_open(api, batch))


async def _report_reading(
    services: Services, accepted: Accepted, reading: Reading | None, *, code: ExitCode | None
) -> Summary:
    """Write the files after reading states; a reading that failed says so, and `code` is what that means."""
    if reading is None or reading.failure is None:
        return await _report(services, accepted, message=_interrupted(services))
    failure = reading.failure
    code = ExitCode.NO_PERMISSION if failure.kind in _REFUSED_ACCESS else code
    message = f"the server's list of requests could not be read: {failure.error.message}"
    return await _report(services, accepted, message=message, code=code)


async def _report(
    services: Services, accepted: Accepted, *, message: str = "", code: ExitCode | None = None
) -> Summary:
    """Write all files from one snapshot of the ledger, and note how the batch stands."""
    ending = Ending(finished_at=services.clock.timestamp(), exit_code=code, message=message)

    def write() -> Summary:
        with services.ledger.snapshot() as connection:
            batch = find_batch(connection, accepted.batch.batch) or accepted.batch
            return write_reports(
                connection, batch=batch, source=accepted.source, folder=accepted.folder, ending=ending
            )

    summary = await asyncio.to_thread(write)
    await services.ledger.write(
        update_batch,
        accepted.batch.batch,
        {"finished_at": ending.finished_at, "exit_code": summary.exit_code},
    )
    return summary


async def find(
    ledger: Ledger, batch: str | None, *, is_wanted: Callable[[Batch], bool] = lambda _: True
) -> Batch:
    """Return the batch that is named, or the latest that is wanted. Raises UnknownBatch or UsageError."""
    if batch is not None:
        known = await ledger.read(find_batch, batch)
        if known is None:
            raise UnknownBatch(batch)
        return known
    wanted = [known for known in await ledger.read(list_batches) if is_wanted(known)]
    if not wanted:
        raise UsageError("the ledger holds no batch yet; start with `batch-issuer issue FILE`")
    return wanted[0]


def _check_same_server(batch: Batch, access: Access) -> None:
    if (batch.base_url, batch.org_id) != (access.base_url, access.org_id):
        raise UsageError(
            f"batch {batch.batch} belongs to {batch.base_url}, organisation {batch.org_id or 'none'}; "
            f"the settings name {access.base_url}, organisation {access.org_id or 'none'}"
        )


def _interrupted(services: Services) -> str:
    return "interrupted: no further request was started" if services.stopping.is_set() else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What reading and planning a file gives, without sending or recording anything."""

    checked: Checked
    plan: Plan
    refusal: str
    columns: tuple[str, ...] = field(default=())


def try_out(
    file: Path,
    settings: Settings,
    options: IssueOptions,
    *,
    progress: Progress,
    on_frame: Callable[[CheckedFrame], None] = lambda _: None,
) -> DryRun:
    """Check and plan a file in place. Raises InputRefused and UsageError."""
    check_file(file, max_bytes=settings.max_file_bytes)
    source = open_source(file, input_options({**settings.public(), "map": options.mapped}))
    checked = Checked()
    for frame in _frames(check_rows(source), checked):
        on_frame(frame)
        progress.rows_checked(len(frame.raw.numbers))
    plan = plan_requests(checked.rows.table(), chunk_size=settings.chunk_size)
    return DryRun(
        checked=checked,
        plan=plan,
        refusal=refuse_invalid(checked, plan, options),
        columns=source.columns.header,
    )


def _frames(frames: Iterator[CheckedFrame], checked: Checked) -> Iterator[CheckedFrame]:
    while (frame := next_frame(frames, checked)) is not None:
        yield frame


async def show(services: Services, batch: str | None) -> Summary:
    """Return a batch's figures from the ledger alone."""
    known = await find(services.ledger, batch)
    return await services.ledger.read(summarise, known, services.batch_folder(known.batch))
