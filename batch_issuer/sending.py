"""Sends what is not sent of a batch, and follows it: the one way for every command that sends."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta
from functools import partial
from typing import Final

from batch_issuer.acceptance import Accepted
from batch_issuer.assembly import Api, Services, open_api
from batch_issuer.batch.commands import for_profile
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.batch.ids import BatchId
from batch_issuer.batch.stages import Stage
from batch_issuer.errors import LedgerUnavailable
from batch_issuer.gateway import Access, Answer, InnerCall
from batch_issuer.lanes import Lanes, Round, wait_until_over
from batch_issuer.ledger import Batch, Ledger, Unsent
from batch_issuer.ledger.requests import count_by_stage, open_requests
from batch_issuer.ledger.transitions import mark_forgotten, mark_interrupted
from batch_issuer.ledger.unsent import learn_how_many, unsent_requests
from batch_issuer.planning import seconds_between_calls
from batch_issuer.reporting import REFUSED_ACCESS, interrupted, report, report_reading
from batch_issuer.reports import Summary
from batch_issuer.settings import Settings
from batch_issuer.submission import Lease, Stop, Submitter
from batch_issuer.submission.sent_folders import mark_as_sent
from batch_issuer.tracking import (
    Reading,
    Wait,
    first_day_of,
    read_states,
    resolve_doubts,
    wait_until_final,
)

log = logging.getLogger(__name__)

_UNSENT_AT_ONCE: Final = 100
_MANY: Final = 1_000
"""So many requests that a database may not know of yet."""


async def send_accepted(
    services: Services, accepted: Accepted, access: Access, inner: InnerCall, wait: Wait
) -> Summary:
    """Send a batch that has just been recorded, unless its input was refused."""
    if accepted.refusal:
        message = f"Nothing was sent. {accepted.refusal}"
        return await report(services, accepted, message=message, code=ExitCode.INPUT_REFUSED)
    return await send(services, accepted, access, inner, wait)


async def send(
    services: Services, accepted: Accepted, access: Access, inner: InnerCall, wait: Wait
) -> Summary:
    """Submit what is not sent, write the files, then follow. The one way for every command that sends."""
    try:
        return await _send(services, accepted, access, inner, wait)
    except LedgerUnavailable as exc:
        goes_on = for_profile(f"`batch-issuer resume {accepted.batch.batch}` goes on", accepted.batch.profile)
        raise LedgerUnavailable(f"{exc}; nothing is lost: {goes_on}") from exc


async def _send(
    services: Services, accepted: Accepted, access: Access, inner: InnerCall, wait: Wait
) -> Summary:
    batch = accepted.batch
    async with open_api(services, access) as api:
        async with services.lease(batch.batch) as lease:
            mark_as_sent(accepted.folder)
            began = services.clock.uptime()
            stop = await submit(api, batch, inner, lease)
            seconds = services.clock.uptime() - began
            log.info("sending finished", extra={"batch": batch.batch, "seconds": seconds})
            summary = await report(
                services,
                accepted,
                message=stop.message if stop else interrupted(services),
                code=stop.exit_code if stop else None,
                lease=lease,
            )
        if stop is not None or services.stopping.is_set() or not wait.seconds:
            return summary
        reading = await follow(api, batch, wait)
    return await report_reading(services, accepted, reading, code=None)


async def submit(api: Api, batch: Batch, inner: InnerCall, lease: Lease) -> Stop | None:
    """Send what is not sent, look up what is in doubt, and again, until nothing more can be sent."""
    services, at = api.services, api.services.clock.timestamp()
    if not await wait_until_over(services, lease, batch.batch):
        return None
    await lease.write(mark_interrupted, batch.batch, at)
    await lease.write(mark_forgotten, batch.batch, timeline=services.ledger.timeline, at=at)
    stages = await services.ledger.read(count_by_stage, batch.batch)
    unsent = stages.get(Stage.NOT_SENT, 0)
    if unsent >= _MANY:
        await services.ledger.write(learn_how_many)
    services.progress.requests_planned(unsent)
    send_all = _sender(api, batch, inner, lease, unsent=unsent)
    while True:
        sent = await send_all()
        if sent.stop is not None or services.stopping.is_set():
            return sent.stop
        resolved = await resolve_doubts(
            api.view(),
            services.ledger,
            lease.key,
            first_day_of(batch.created_at),
            wait=settle_after(services.settings),
        )
        if resolved.failure is not None:
            return _unresolved(resolved.failure)
        if not (resolved.may_send_again or sent.is_anything_left):
            return None


def _sender(
    api: Api, batch: Batch, inner: InnerCall, lease: Lease, *, unsent: int
) -> Callable[[], Awaitable[Round]]:
    """Choose who sends: this process, or lanes where there is an engine that has them driven."""
    services = api.services
    if services.engine is not None:
        return Lanes(services, services.engine, batch, lease, unsent=unsent).send_all
    submitter = Submitter(
        api.route(inner, lease, batch=batch.batch, org_id=batch.org_id),
        stopping=services.stopping,
        on_rest=lambda _: services.progress.request_at_rest(),
    )
    return partial(_send_here, services, batch, submitter)


async def _send_here(services: Services, batch: Batch, submitter: Submitter) -> Round:
    async with aclosing(_unsent(services.ledger, batch.batch)) as unsent:
        with services.measurements.sending(
            seconds_between_calls=seconds_between_calls(services.settings.rate),
            uptime=services.clock.uptime,
        ):
            return Round(stop=await submitter.submit_all(unsent))


def settle_after(settings: Settings) -> timedelta:
    """How long after it was sent a request must show in the server's list, if the server has it."""
    return timedelta(seconds=settings.timeout + settings.settle)


def _unresolved(failure: Answer) -> Stop:
    code = ExitCode.NO_PERMISSION if failure.kind in REFUSED_ACCESS else None
    return Stop(
        message=f"requests are in doubt, and the server's list can't be read: {failure.error.message}",
        exit_code=code,
    )


async def _unsent(ledger: Ledger, batch: BatchId) -> AsyncGenerator[Unsent]:
    """Yield the unsent requests in order of chunks, holding few of them at a time.

    The next ones are read while those before are sent: no sender waits for them.
    """
    after = (0, "", 0)
    ahead = _read_unsent(ledger, batch, after)
    try:
        while block := await ahead:
            last = block[-1].request
            after = (last.chunk, last.halvings, last.generation)
            ahead = _read_unsent(ledger, batch, after)
            for unsent in block:
                yield unsent
    finally:
        ahead.cancel()
        await asyncio.wait({ahead})


def _read_unsent(ledger: Ledger, batch: BatchId, after: tuple[int, str, int]) -> asyncio.Task[list[Unsent]]:
    reading = ledger.read(unsent_requests, batch, after, _UNSENT_AT_ONCE)
    return asyncio.create_task(reading, name="read unsent requests")


async def read_open(api: Api, batch: Batch) -> Reading:
    """Read the states of the open requests once; where none is open, nothing is asked."""
    still_open = await api.services.ledger.read(open_requests, batch.batch)
    if not still_open:
        return Reading(asked=0)
    return await read_states(api.view(), still_open, since=first_day_of(batch.created_at))


async def follow(api: Api, batch: Batch, wait: Wait) -> Reading | None:
    """Read the states of the open requests again and again, for as long as `wait` says."""
    return await wait_until_final(api.view(), wait, lambda: read_open(api, batch))
