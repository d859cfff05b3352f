"""What each command does, as stages in order: issue, resume, retry, refresh, decide, show."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

from batch_issuer.acceptance import Accepted, IssueOptions, accept, accept_again, reopen
from batch_issuer.assembly import Api, Services, open_api
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.batch.ids import BatchId
from batch_issuer.batch.requests import Stage
from batch_issuer.errors import ForeignBatches, UnknownBatch, UsageError
from batch_issuer.gateway import (
    Access,
    Answer,
    AnswerKind,
    InnerCall,
    checker_access,
    read_access,
    sending_access,
)
from batch_issuer.ledger import Batch, BatchStage, Ledger, Unsent
from batch_issuer.ledger.batches import find_batch, list_batches, update_batch
from batch_issuer.ledger.requests import (
    count_by_stage,
    open_requests,
    refused_requests,
    unfinished_batches,
    unsent_requests,
)
from batch_issuer.ledger.transitions import mark_forgotten, mark_interrupted
from batch_issuer.recording import when_guards_are_free
from batch_issuer.reports import Ending, Summary, reports_lock, summarise, write_reports
from batch_issuer.retrying import nothing_to_retry, plan_retry
from batch_issuer.settings import Settings, without_password
from batch_issuer.submission import Lease, Stop, Submitter
from batch_issuer.submission.sent_folders import mark_as_sent, sent_folders
from batch_issuer.tracking import (
    Decision,
    Desk,
    Reading,
    Wait,
    decide_waiting,
    first_day_of,
    look_up_refused,
    read_states,
    resolve_doubts,
    wait_until_final,
)

_NO_WAIT: Final = Wait()
_UNSENT_AT_ONCE: Final = 100
_REFUSED_ACCESS: Final = frozenset({AnswerKind.UNAUTHORIZED, AnswerKind.FORBIDDEN})


async def issue(services: Services, file: Path, options: IssueOptions, wait: Wait = _NO_WAIT) -> Summary:
    """Validate, plan, record, submit, write the files; then follow the states for as long as `wait` says."""
    access, inner = sending_access(services.settings)
    if not options.new_ledger:
        await _refuse_foreign_batches(services)
    accepted = await accept(services, file, options, access)
    return await _send_accepted(services, accepted, access, inner, wait)


async def _refuse_foreign_batches(services: Services) -> None:
    """Refuse to send beside batches that were sent with another ledger: it alone knows what went out."""
    known = {batch.batch for batch in await services.ledger.read(list_batches)}
    foreign = [name for name in sent_folders(services.settings.output) if name not in known]
    if foreign:
        ledger = without_password(services.settings.ledger_url)
        raise ForeignBatches(services.settings.output, foreign, ledger)


async def resume(services: Services, batch: str | None, wait: Wait = _NO_WAIT) -> Summary:
    """Go on with a batch (by default the latest that did not finish), in the way that `issue` does."""
    access, inner = sending_access(services.settings)
    unfinished = await services.ledger.read(unfinished_batches)
    known = await find(
        services.ledger,
        batch,
        is_wanted=lambda b: (
            b.stage is BatchStage.RECORDING or (b.stage is BatchStage.ACCEPTED and b.batch in unfinished)
        ),
        otherwise="every batch is finished; there is nothing to resume",
    )
    if known.stage is BatchStage.REFUSED:
        raise UsageError(f"nothing of batch {known.batch} is sent: its input was refused; issue it again")
    _check_same_server(known, access)
    if known.stage is BatchStage.RECORDING:  # its process died before it was accepted
        return await _send_accepted(services, await accept_again(services, known), access, inner, wait)
    return await _send(services, await reopen(services, known), access, inner, wait)


async def retry(services: Services, batch: str, wait: Wait = _NO_WAIT) -> Summary:
    """Send the rows of requests that were refused for good again, under new ids.

    Before that the server's list is read whole: an id that it holds after all is taken over instead.
    What failed without a definite refusal (an inner 5xx, 809) and what a checker rejected stays as it is.
    """
    access, inner = sending_access(services.settings)
    known = await find(services.ledger, batch)
    _check_same_server(known, access)
    accepted = await reopen(services, known)
    async with services.lease(known.batch) as lease:
        async with open_api(services, access) as api:
            refused = await services.ledger.read(refused_requests, known.batch)
            since, wait_first = first_day_of(known.created_at), _settle_after(services.settings)
            reading = await look_up_refused(api.view(), refused, since, wait=wait_first)
        if reading.failure is not None or services.stopping.is_set():
            return await _report_reading(services, accepted, reading, code=ExitCode.NOT_FINISHED)
        plan = partial(lease.write, plan_retry, known, lease)
        planned, left = await when_guards_are_free(services, plan)
    if not planned:
        return await _report(services, accepted, message=nothing_to_retry(left))
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


async def decide(services: Services, batch: str, *, approve: bool, message: str) -> Summary:
    """Approve or reject what waits of a batch, with the checker's own credentials, and write the files."""
    if not message.strip():
        raise UsageError('the message is blank; say why, for example --message "checked against the list"')
    access = checker_access(services.settings)
    known = await find(services.ledger, batch)
    _check_same_server(known, access)
    accepted = await reopen(services, known)
    async with open_api(services, access) as api:
        desk = Desk(view=api.view(), ledger=services.ledger, batch=known)
        decided = await decide_waiting(desk, Decision(approve=approve, message=message))
    return await _report(services, accepted, message=decided.message, code=decided.exit_code)


async def _send_accepted(
    services: Services, accepted: Accepted, access: Access, inner: InnerCall, wait: Wait
) -> Summary:
    """Send a batch that has just been recorded, unless its input was refused."""
    if accepted.refusal:
        message = f"Nothing was sent. {accepted.refusal}"
        return await _report(services, accepted, message=message, code=ExitCode.INPUT_REFUSED)
    return await _send(services, accepted, access, inner, wait)


async def _send(
    services: Services, accepted: Accepted, access: Access, inner: InnerCall, wait: Wait
) -> Summary:
    """Submit what is not sent, write the files, then follow. The one way for every command that sends."""
    batch = accepted.batch
    async with open_api(services, access) as api:
        async with services.lease(batch.batch) as lease:
            mark_as_sent(accepted.folder)
            stop = await _submit(api, batch, inner, lease)
            summary = await _report(
                services,
                accepted,
                message=stop.message if stop else _interrupted(services),
                code=stop.exit_code if stop else None,
                lease=lease,
            )
        if stop is not None or services.stopping.is_set() or not wait.seconds:
            return summary
        reading = await _follow(api, batch, wait)
    return await _report_reading(services, accepted, reading, code=None)


async def _submit(api: Api, batch: Batch, inner: InnerCall, lease: Lease) -> Stop | None:
    """Send what is not sent, look up what is in doubt, and again, until nothing more can be sent."""
    services, at = api.services, api.services.clock.timestamp()
    await lease.write(mark_interrupted, batch.batch, at)
    await lease.write(mark_forgotten, batch.batch, timeline=services.ledger.timeline, at=at)
    stages = await services.ledger.read(count_by_stage, batch.batch)
    services.progress.requests_planned(stages.get(Stage.NOT_SENT, 0))
    submitter = Submitter(
        api.route(inner, lease, batch=batch.batch, org_id=batch.org_id),
        stopping=services.stopping,
        on_rest=lambda _: services.progress.request_at_rest(),
    )
    while True:
        stop = await submitter.submit_all(_unsent(services.ledger, batch.batch))
        if stop is not None or services.stopping.is_set():
            return stop
        resolved = await resolve_doubts(
            api.view(),
            services.ledger,
            lease.key,
            first_day_of(batch.created_at),
            wait=_settle_after(services.settings),
        )
        if resolved.failure is not None:
            return _unresolved(resolved.failure)
        if not resolved.may_send_again:
            return None


def _settle_after(settings: Settings) -> timedelta:
    """How long after it was sent a request must show in the server's list, if the server has it."""
    return timedelta(seconds=settings.timeout + settings.settle)


def _unresolved(failure: Answer) -> Stop:
    code = ExitCode.NO_PERMISSION if failure.kind in _REFUSED_ACCESS else None
    return Stop(
        message=f"requests are in doubt, and the server's list can't be read: {failure.error.message}",
        exit_code=code,
    )


async def _unsent(ledger: Ledger, batch: BatchId) -> AsyncIterator[Unsent]:
    """Yield the unsent requests in order of chunks, holding few of them at a time."""
    after = (0, "", 0)
    while block := await ledger.read(unsent_requests, batch, after, _UNSENT_AT_ONCE):
        for unsent in block:
            yield unsent
        last = block[-1].request
        after = (last.chunk, last.halvings, last.generation)


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
    services: Services,
    accepted: Accepted,
    *,
    message: str = "",
    code: ExitCode | None = None,
    lease: Lease | None = None,
) -> Summary:
    """Write all files from one snapshot of the ledger, and note how the batch stands.

    Whoever has sent does so under its lease. Raises BatchTakenOver where that is another's by now.
    """
    batch = accepted.batch.batch
    ending = Ending(finished_at=services.clock.timestamp(), exit_code=code, message=message)

    def write() -> Summary:
        with services.ledger.snapshot() as connection:
            known = find_batch(connection, batch) or accepted.batch
            return write_reports(
                connection, batch=known, source=accepted.source, folder=accepted.folder, ending=ending
            )

    if lease is not None:
        await lease.renew()
    note = services.ledger.write if lease is None else lease.write
    async with reports_lock(accepted.folder, batch, services.clock):
        summary = await asyncio.to_thread(write)
        stands = {"finished_at": ending.finished_at, "exit_code": summary.exit_code}
        await note(update_batch, batch, stands)
    return summary


async def find(
    ledger: Ledger,
    batch: str | None,
    *,
    is_wanted: Callable[[Batch], bool] = lambda _: True,
    otherwise: str = "the ledger holds no batch yet; start with `batch-issuer issue FILE`",
) -> Batch:
    """Return the batch that is named, or the latest that is wanted. Raises UnknownBatch or UsageError."""
    if batch is not None:
        known = await ledger.read(find_batch, batch)
        if known is None:
            raise UnknownBatch(batch)
        return known
    wanted = [known for known in await ledger.read(list_batches) if is_wanted(known)]
    if not wanted:
        raise UsageError(otherwise)
    return wanted[0]


def _check_same_server(batch: Batch, access: Access) -> None:
    if (batch.base_url, batch.org_id) != (access.base_url, access.org_id):
        raise UsageError(
            f"batch {batch.batch} belongs to {batch.base_url}, organisation {batch.org_id or 'none'}; "
            f"the settings name {access.base_url}, organisation {access.org_id or 'none'}"
        )


def _interrupted(services: Services) -> str:
    return "interrupted: no further request was started" if services.stopping.is_set() else ""


async def show(services: Services, batch: str | None) -> Summary:
    """Return a batch's figures from the ledger alone."""
    known = await find(services.ledger, batch)
    return await services.ledger.read(summarise, known, services.batch_folder(known.batch))
