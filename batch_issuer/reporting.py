"""Writes the files of a batch after any command, one process at a time, and notes how the batch stands."""

import asyncio
import logging
from typing import Final

from batch_issuer.acceptance import Accepted
from batch_issuer.assembly import Services
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.errors import PrunedBatch
from batch_issuer.gateway import AnswerKind
from batch_issuer.ledger.batches import find_batch, update_batch
from batch_issuer.reports import Ending, Summary, reports_lock, write_reports
from batch_issuer.submission import Lease
from batch_issuer.tracking import Reading

log = logging.getLogger(__name__)

REFUSED_ACCESS: Final = frozenset({AnswerKind.UNAUTHORIZED, AnswerKind.FORBIDDEN})


def interrupted(services: Services) -> str:
    """Say that somebody stopped the program, where somebody did."""
    return "interrupted: no further request was started" if services.stopping.is_set() else ""


async def report_reading(
    services: Services, accepted: Accepted, reading: Reading | None, *, code: ExitCode | None
) -> Summary:
    """Write the files after reading states; a reading that failed says so, and `code` is what that means."""
    if reading is None or reading.failure is None:
        return await report(services, accepted, message=interrupted(services))
    failure = reading.failure
    code = ExitCode.NO_PERMISSION if failure.kind in REFUSED_ACCESS else code
    message = f"the server's list of requests could not be read: {failure.error.message}"
    return await report(services, accepted, message=message, code=code)


async def report(
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
        present = await services.ledger.read(find_batch, batch)
        if present is not None and present.pruned_at:  # meanwhile
            raise PrunedBatch(batch, at=present.pruned_at)
        began = services.clock.uptime()
        summary = await asyncio.to_thread(write)
        fields = {"batch": batch, "count": summary.rows_out, "code": int(summary.exit_code)}
        log.info("reports written", extra={**fields, "seconds": services.clock.uptime() - began})
        stands = {"finished_at": ending.finished_at, "exit_code": summary.exit_code}
        stands |= {"counts": dict(summary.counts)}
        await note(update_batch, batch, stands)
    return summary
