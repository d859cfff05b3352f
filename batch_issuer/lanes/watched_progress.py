"""How far lanes have come, read from the ledger: by whoever began them, and seldom where that takes long."""

from typing import Final

from batch_issuer.assembly import Services
from batch_issuer.batch.ids import BatchId
from batch_issuer.batch.stages import Stage
from batch_issuer.errors import LedgerUnavailable
from batch_issuer.ledger.requests import count_by_stage

_SHARE: Final = 0.05
"""The part of the time that counting may take."""


class WatchedProgress:
    """Tells a command's progress of the requests that came to rest elsewhere."""

    def __init__(self, services: Services, batch: BatchId, *, unsent: int) -> None:
        """Go by how many are unsent now."""
        self._services = services
        self._batch = batch
        self._unsent = unsent
        self._next_at = 0.0

    async def look(self, *, is_last: bool = False) -> None:
        """Count, unless it was done a short time ago, or can't be done now."""
        uptime = self._services.clock.uptime
        began = uptime()
        if began < self._next_at and not is_last:
            return
        try:
            stages = await self._services.ledger.read(count_by_stage, self._batch)
        except LedgerUnavailable:
            return
        unsent = stages.get(Stage.NOT_SENT, 0) + stages.get(Stage.SENDING, 0)
        for _ in range(self._unsent - unsent):
            self._services.progress.request_at_rest()
        self._unsent = unsent
        self._next_at = uptime() + (uptime() - began) / _SHARE
