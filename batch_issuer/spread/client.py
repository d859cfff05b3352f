"""What whoever spreads the work has at hand: an engine, and the drafts of one batch."""

import asyncio
import secrets
from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

from batch_issuer.assembly import Services
from batch_issuer.engine import Engine, Work, each
from batch_issuer.errors import EngineUnavailable, NothingAccepted
from batch_issuer.ledger import Batch
from batch_issuer.ledger.staging import begin_draft
from batch_issuer.spread.draft import Draft
from batch_issuer.submission import Lease

R = TypeVar("R")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Spreads the work on one batch, under its lease."""

    services: Services
    lease: Lease
    batch: Batch
    engine: Engine

    async def begin(self) -> Draft:
        """Begin a draft: what is left of earlier ones writes nothing any more."""
        key = await self.lease.write(begin_draft, self.batch.batch, secrets.token_hex(16))
        return Draft(site=self.services.site, batch=self.batch.batch, key=key)

    async def do(
        self, work: Work[T, R], items: Iterable[T], take: Callable[[R], None], *, doing: str
    ) -> None:
        """Do some work for each item, and take what comes of it in the order of the items.

        Raises what the work or the taking raises, EngineUnavailable, and Interrupted where a stop is asked
        for; then what is under way is given up.
        """
        stop = asyncio.create_task(self.services.stopping.wait(), name="stop")
        doing_all = asyncio.create_task(self._take_all(work, items, take, doing), name=doing)
        tasks = {stop, doing_all}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        if doing_all.cancelled():
            raise NothingAccepted(f"the file was {doing}")
        await doing_all

    async def _take_all(
        self, work: Work[T, R], items: Iterable[T], take: Callable[[R], None], doing: str
    ) -> None:
        try:
            async with aclosing(each(self.engine, work, items)) as results:
                async for result in results:
                    if self.services.stopping.is_set():
                        raise NothingAccepted(f"the file was {doing}")
                    take(result)
        except EngineUnavailable as exc:
            raise EngineUnavailable(
                f"{exc}; nothing was sent: `batch-issuer resume {self.batch.batch}` goes on"
            ) from exc
