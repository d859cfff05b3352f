"""Makes sure that no lane of an earlier run is alive: whoever sends a batch does so before all else."""

import logging
from typing import Final

from batch_issuer.assembly import Services
from batch_issuer.batch.ids import BatchId
from batch_issuer.ledger.lanes import end_runs
from batch_issuer.submission import Lease, pause

log = logging.getLogger(__name__)

_SECONDS: Final = 1.0


async def wait_until_over(services: Services, lease: Lease, batch: BatchId) -> bool:
    """End what runs of lanes there are, and return when none of their lanes is alive.

    A lane ends when what it has under way is answered; one whose process sleeps is over when its lease has
    run out. False where a stop was asked for meanwhile. Raises BatchTakenOver and LedgerUnavailable.
    """
    while (await lease.write(end_runs, batch, lease.claim, at=services.clock.timestamp())).held:
        log.info("lanes waited for", extra={"batch": batch})
        await pause(_SECONDS, services.clock, services.stopping)
        if services.stopping.is_set():
            return False
    return True
