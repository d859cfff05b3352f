"""What every piece of work on a file has: whose ledger it writes to, and for which draft."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from sqlalchemy import Connection

from batch_issuer.batch.ids import BatchId
from batch_issuer.ledger import LeaseKey, Ledger, Query, open_ledger
from batch_issuer.ledger.staging import for_draft
from batch_issuer.site import Site

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One pass over the file of a batch, as pieces of work know it."""

    site: Site
    batch: BatchId
    key: LeaseKey

    @asynccontextmanager
    async def open(self) -> AsyncIterator["DraftLedger"]:
        """Open the ledger, wherever this is done."""
        async with open_ledger(self.site.settings().ledger_url, self.site.clock) as ledger:
            yield DraftLedger(ledger, self.key)


@dataclass(frozen=True, slots=True)
class DraftLedger:
    """A ledger as a piece of work uses it: anything is read, and written for its own draft alone."""

    ledger: Ledger
    key: LeaseKey

    async def write(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Write one of some blocks. Raises BatchTakenOver where another draft has begun."""

        def write(connection: Connection) -> T:
            return for_draft(connection, self.key, query, *args, **kwargs)

        return await self.ledger.write_block(write)
