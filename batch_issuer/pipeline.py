"""What each command does, as stages in order: issue, resume, retry, refresh, decide, show."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from batch_issuer.acceptance import IssueOptions, accept, accept_again, reopen
from batch_issuer.addresses import without_password
from batch_issuer.assembly import Services, open_api
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.errors import ForeignBatches, PrunedBatch, UnknownBatch, UsageError
from batch_issuer.gateway import Access, checker_access, read_access, sending_access
from batch_issuer.ledger import Batch, BatchStage, Ledger
from batch_issuer.ledger.batches import find_batch, list_batches
from batch_issuer.ledger.requests import refused_requests, unfinished_batches
from batch_issuer.reporting import report, report_reading
from batch_issuer.reports import Summary, summarise, summary_of_pruned
from batch_issuer.retrying import nothing_to_retry, plan_retry
from batch_issuer.sending import follow, read_open, send, send_accepted, settle_after
from batch_issuer.submission.sent_folders import sent_folders
from batch_issuer.tracking import Decision, Desk, Wait, decide_waiting, first_day_of, look_up_refused

_NO_WAIT: Final = Wait()


async def issue(services: Services, file: Path, options: IssueOptions, wait: Wait = _NO_WAIT) -> Summary:
    """Validate, plan, record, submit, write the files; then follow the states for as long as `wait` says."""
    access, inner = sending_access(services.settings)
    if not options.new_ledger:
        await refuse_foreign_batches(services)
    accepted = await accept(services, file, options, access)
    return await send_accepted(services, accepted, access, inner, wait)


async def _refuse_if_forgotten(services: Services, known: Batch) -> None:
    """Refuse to send a batch of a ledger that was restored, beside batches that were sent since."""
    if known.timeline != services.ledger.timeline:
        await refuse_foreign_batches(services, besides=known.batch)


async def refuse_foreign_batches(services: Services, *, besides: str = "") -> None:
    """Refuse to send beside batches that were sent with another ledger: it alone knows what went out.

    One that this ledger has not accepted yet was sent with it, too, if it was restored since.
    """
    sent = sent_folders(services.settings.output)  # first: what is marked as sent was accepted before
    batches = await services.ledger.read(list_batches)
    known = {batch.batch for batch in batches if batch.stage is not BatchStage.RECORDING}
    foreign = [name for name in sent if name not in known and name != besides]
    if foreign:
        ledger = without_password(services.settings.ledger_url)
        raise ForeignBatches(services.settings.output, foreign, ledger)


async def resume(
    services: Services, batch: str | None, wait: Wait = _NO_WAIT, *, new_ledger: bool = False
) -> Summary:
    """Go on with a batch (by default the latest that did not finish), in the way that `issue` does."""
    access, inner = sending_access(services.settings)
    unfinished = await services.ledger.read(unfinished_batches)
    known = await find(
        services.ledger,
        batch,
        is_wanted=lambda b: (
            _is_of(b, access)
            and (
                b.stage is BatchStage.RECORDING or (b.stage is BatchStage.ACCEPTED and b.batch in unfinished)
            )
        ),
        otherwise="every batch for this server and organisation is finished; there is nothing to resume",
    )
    if known.stage is BatchStage.REFUSED:
        raise UsageError(f"nothing of batch {known.batch} is sent: its input was refused; issue it again")
    _check_workable(known, access)
    if not new_ledger:
        await _refuse_if_forgotten(services, known)
    if known.stage is BatchStage.RECORDING:  # its process died before it was accepted
        return await send_accepted(services, await accept_again(services, known, access), access, inner, wait)
    return await send(services, await reopen(services, known), access, inner, wait)


async def retry(
    services: Services, batch: str, wait: Wait = _NO_WAIT, *, new_ledger: bool = False
) -> Summary:
    """Send the rows of requests that were refused for good again, under new ids.

    Before that the server's list is read whole: an id that it holds after all is taken over instead.
    What failed without a definite refusal (an inner 5xx, 809) and what a checker rejected stays as it is.
    """
    access, inner = sending_access(services.settings)
    known = await find(services.ledger, batch)
    _check_recorded(known, access)
    if not new_ledger:
        await _refuse_if_forgotten(services, known)
    accepted = await reopen(services, known)
    async with services.lease(known.batch) as lease:
        async with open_api(services, access) as api:
            refused = await services.ledger.read(refused_requests, known.batch)
            since, wait_first = first_day_of(known.created_at), settle_after(services.settings)
            reading = await look_up_refused(api.view(), refused, since, wait=wait_first)
        if reading.failure is not None or services.stopping.is_set():
            return await report_reading(services, accepted, reading, code=ExitCode.NOT_FINISHED)
        planned, left = await plan_retry(services, lease, known)
    if not planned:
        return await report(services, accepted, message=nothing_to_retry(left))
    return await send(services, accepted, access, inner, wait)


async def refresh(services: Services, batch: str | None, wait: Wait = _NO_WAIT) -> Summary:
    """Ask the server for the states that are not final, and write the files again."""
    access = read_access(services.settings)
    known = await find(
        services.ledger,
        batch,
        is_wanted=lambda b: _is_of(b, access) and b.stage is BatchStage.ACCEPTED and not b.pruned_at,
    )
    _check_recorded(known, access)
    accepted = await reopen(services, known)
    async with open_api(services, access) as api:
        reading = await read_open(api, known)
        if wait.seconds and reading.failure is None and not reading.is_complete:
            reading = await follow(api, known, wait) or reading
    return await report_reading(services, accepted, reading, code=ExitCode.NOT_FINISHED)


async def decide(services: Services, batch: str, *, approve: bool, message: str) -> Summary:
    """Approve or reject what waits of a batch, with the checker's own credentials, and write the files."""
    if not message.strip():
        raise UsageError('the message is blank; say why, for example --message "checked against the list"')
    access = checker_access(services.settings)
    known = await find(services.ledger, batch)
    _check_recorded(known, access)
    accepted = await reopen(services, known)
    async with open_api(services, access) as api:
        desk = Desk(view=api.view(), ledger=services.ledger, batch=known)
        decided = await decide_waiting(desk, Decision(approve=approve, message=message))
    return await report(services, accepted, message=decided.message, code=decided.exit_code)


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


def _is_of(batch: Batch, access: Access) -> bool:
    """Tell whether a batch is for the server and organisation that the settings name."""
    return (batch.base_url, batch.org_id) == (access.base_url, access.org_id)


def _check_workable(batch: Batch, access: Access) -> None:
    """Refuse to work on a batch of another server, and on one that was pruned."""
    if batch.pruned_at:
        raise PrunedBatch(batch.batch, at=batch.pruned_at)
    if not _is_of(batch, access):
        hint = f"; it was issued with --profile {batch.profile}" if batch.profile else ""
        raise UsageError(
            f"batch {batch.batch} belongs to {batch.base_url}, organisation {batch.org_id or 'none'}; "
            f"the settings name {access.base_url}, organisation {access.org_id or 'none'}{hint}"
        )


def _check_recorded(batch: Batch, access: Access) -> None:
    """Refuse also what is still being recorded: nothing of it is sent, and not all of its rows are known."""
    _check_workable(batch, access)
    if batch.stage is BatchStage.RECORDING:
        raise UsageError(
            f"batch {batch.batch} is still being recorded, and nothing of it is sent yet; wait for that to "
            f"end, or run `batch-issuer resume {batch.batch}` where its process is gone"
        )


async def show(services: Services, batch: str | None) -> Summary:
    """Return a batch's figures from the ledger alone."""
    known = await find(services.ledger, batch)
    if known.pruned_at:
        return summary_of_pruned(known, services.batch_folder(known.batch))
    return await services.ledger.read(summarise, known, services.batch_folder(known.batch))
