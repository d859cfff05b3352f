"""Asks for the states of earlier batches again, and renews the copies of their reports."""

import asyncio
import logging

from batch_issuer.errors import BatchInUse, BatchTakenOver, ReportsNotWritten, UsageError
from batch_issuer.inbox.folder import lease_of
from batch_issuer.inbox.moving import copy_reports, reports_of
from batch_issuer.inbox.work import Work
from batch_issuer.ledger import Batch
from batch_issuer.pipeline import refresh
from batch_issuer.reports import Summary, reports_lock

log = logging.getLogger(__name__)


async def refresh_batch(work: Work, batch: Batch) -> Summary | None:
    """Refresh a batch whose file is in its place; None where that is not to be done here.

    Its files are where it was issued; another process may be at it; the settings may name another server.
    """
    if not work.services.batch_folder(batch.batch).is_dir():
        return None
    try:
        async with work.services.lease(lease_of(batch.inbox_file)):
            summary = await refresh(work.services, batch.batch)
            await _copy_again(work, batch, summary)
    except (BatchInUse, BatchTakenOver):
        log.info("batch held by another process", extra={"batch": batch.batch})
    except (UsageError, ReportsNotWritten) as exc:
        log.warning("batch not refreshed", extra={"batch": batch.batch, "reason": str(exc)})
    else:
        return summary
    return None


async def _copy_again(work: Work, batch: Batch, summary: Summary) -> None:
    reports = reports_of(work.inbox.path / batch.inbox_place)
    if not reports.is_dir():  # somebody has put them away
        return
    try:
        async with reports_lock(summary.folder, batch.batch, work.services.clock):
            await asyncio.to_thread(copy_reports, summary.folder, reports)
    except OSError as exc:
        log.warning("reports can't be copied", extra={"batch": batch.batch, "reason": exc.strerror})
