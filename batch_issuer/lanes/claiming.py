"""The requests that a lane claims, few at a time, one block ahead of what is sent."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Final

from batch_issuer.ledger import Ledger, Unsent
from batch_issuer.ledger.claims import START, Claiming, claim_requests

_FEWEST: Final = 4


class Claims:
    """Claims in the order of chunks, and once more from the first where nothing is left behind the last."""

    def __init__(self, ledger: Ledger, claiming: Claiming, *, concurrency: int) -> None:
        """Claim about as many at once as are sent at a time: what is claimed waits for this lane alone."""
        self._ledger = ledger
        self._claiming = claiming
        self._at_once = max(_FEWEST, concurrency)
        self._after = START
        self.count = 0
        self.is_exhausted = False
        """Nothing more could be claimed, and what was claimed has been yielded."""

    async def requests(self) -> AsyncGenerator[Unsent]:
        """Yield requests until none can be claimed, or the run of lanes is over.

        Raises BatchTakenOver where the lane is over, and LedgerUnavailable.
        """
        ahead = self._claim_ahead()
        try:
            while block := await ahead:
                ahead = self._claim_ahead()
                for unsent in block:
                    yield unsent
            self.is_exhausted = block is not None
        finally:
            ahead.cancel()
            await asyncio.wait({ahead})

    def _claim_ahead(self) -> asyncio.Task[Sequence[Unsent] | None]:
        return asyncio.create_task(self._claim(), name="claim requests")

    async def _claim(self) -> Sequence[Unsent] | None:
        found = await self._claim_after(self._after)
        if found is not None and not found and self._after != START:
            # what another lane gave back, or of what halves were made
            found = await self._claim_after(START)
        if found:
            last = found[-1].request
            self._after = (last.chunk, last.halvings, last.generation)
            self.count += len(found)
        return found

    async def _claim_after(self, place: tuple[int, str, int]) -> Sequence[Unsent] | None:
        return await self._ledger.write(claim_requests, self._claiming, place, self._at_once)
