"""The lease of a batch: the right to record or to send it, renewed for as long as its owner is awake."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, ParamSpec, Self, TypeVar

from sqlalchemy import Connection

from batch_issuer.clock import Clock
from batch_issuer.errors import BatchInUse, BatchTakenOver, LedgerUnavailable
from batch_issuer.ledger import Ledger, Query
from batch_issuer.ledger.leases import (
    Claim,
    Holder,
    LeaseKey,
    check_lease,
    release_lease,
    renew_lease,
    take_lease,
)
from batch_issuer.ledger.records import Records
from batch_issuer.processes import Process, is_near
from batch_issuer.tasks import see_through

P = ParamSpec("P")
T = TypeVar("T")
log = logging.getLogger(__name__)

SHORTEST_SECONDS: Final = 60.0
_RENEWALS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTerms:
    """How long a lease runs, and what of it must be left for a request to be sent."""

    seconds: float
    reserve: float
    """So long a request may be under way, and then take to show in the server's list. Whoever takes a
    batch over looks there no sooner than the lease has run out: by then it must show."""

    @classmethod
    def for_requests(cls, *, timeout: float, settle: float) -> Self:
        """Return terms for requests of a time-out, to a server that lists them after some seconds."""
        reserve = timeout + settle
        return cls(seconds=max(SHORTEST_SECONDS, 2 * reserve), reserve=reserve)


class Lease:
    """A lease that is held; `hold_lease` takes it and gives it back."""

    def __init__(self, ledger: Ledger | Records, key: LeaseKey, claim: Claim, terms: LeaseTerms) -> None:
        """Take nothing yet."""
        self.key = key
        self.claim = claim
        self._ledger = ledger
        self._terms = terms
        self._until = 0.0
        self._renewing = asyncio.Lock()

    @property
    def allows_sending(self) -> bool:
        """Whether a request that is sent now is settled before anybody else may take the batch over.

        Asked right before each send, of a clock that runs on while the machine is suspended.
        """
        return self.claim.uptime() + self._terms.reserve < self._until

    async def write(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query in a transaction of the ledger that only the lease's owner can make.

        Raises BatchTakenOver where another process has it, and LedgerUnavailable.
        """
        return await self._ledger.write(self._covered(query, *args, **kwargs))

    async def write_block(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Write one of many blocks in a row, as `write` does: other processes get a turn after each."""
        return await self._ledger.write_block(self._covered(query, *args, **kwargs))

    def _covered(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> Callable[[Connection], T]:
        def covered(connection: Connection) -> T:
            check_lease(connection, self.key)
            return query(connection, *args, **kwargs)

        return covered

    async def ensure(self) -> None:
        """Return once the lease allows sending. Raises BatchTakenOver and LedgerUnavailable."""
        if not self.allows_sending:
            await self.renew()

    async def take(self) -> None:
        """Take the lease. Raises BatchInUse where another process holds it, and LedgerUnavailable."""
        started = self.claim.uptime()
        holder = await self._ledger.write(self._take)
        if holder is not None:
            who = f"process {holder.process.pid} on {holder.process.host}"
            raise BatchInUse(
                self.key.name,
                who=who,
                seconds=holder.left.total_seconds(),
                is_known_to_run=is_near(holder.process, self.claim.process),
            )
        self._until = started + self._terms.seconds

    def _take(self, connection: Connection) -> Holder | None:
        return take_lease(connection, self.key, self.claim)

    async def renew(self) -> None:
        """Prolong the lease. Raises BatchTakenOver where another process has it, and LedgerUnavailable."""
        async with self._renewing:
            started = self.claim.uptime()
            if not await self._ledger.write(renew_lease, self.key, self.claim):
                self._until = 0.0
                raise BatchTakenOver(self.key.name)
            self._until = started + self._terms.seconds

    async def keep(self, clock: Clock) -> None:
        """Renew the lease again and again, until another process has it."""
        with suppress(BatchTakenOver):  # whoever sends next hears of it
            while True:
                await clock.tick(self._terms.seconds / _RENEWALS)
                try:
                    await self.renew()
                except LedgerUnavailable:
                    log.warning("a lease could not be renewed", extra={"batch": self.key.name})

    async def release(self) -> None:
        """Give the lease back; where that is not possible it runs out."""
        try:
            await see_through(self._ledger.write(self._give_back))
        except LedgerUnavailable:
            log.warning("a lease could not be given back", extra={"batch": self.key.name})

    def _give_back(self, connection: Connection) -> None:
        release_lease(connection, self.key)


@asynccontextmanager
async def hold_lease(
    ledger: Ledger | Records, name: str, *, terms: LeaseTerms, process: Process, clock: Clock
) -> AsyncIterator[Lease]:
    """Hold the lease of a batch, or of what else only one process may do at a time.

    Raises BatchInUse where another process holds it. One whose owner is provably dead, or that ran out,
    is taken over.
    """
    claim = claim_for(ledger, terms=terms, process=process, clock=clock)
    lease = Lease(ledger, new_key(name), claim, terms)
    async with hold(lease, clock):
        yield lease


def claim_for(ledger: Ledger | Records, *, terms: LeaseTerms, process: Process, clock: Clock) -> Claim:
    """Return with what a process claims a lease of some terms."""
    length = timedelta(seconds=terms.seconds)
    return Claim(process=process, length=length, now=ledger.now, uptime=clock.uptime)


def new_key(name: str) -> LeaseKey:
    """Return the key of a holding that there was not before."""
    return LeaseKey(name=name, owner=secrets.token_hex(16))


@asynccontextmanager
async def hold(lease: Lease, clock: Clock) -> AsyncIterator[None]:
    """Take a lease, renew it while it is used, and give it back. Raises BatchInUse."""
    try:
        await lease.take()
    except asyncio.CancelledError:  # it may be taken all the same
        await lease.release()
        raise
    keeping = asyncio.create_task(lease.keep(clock), name=f"lease {lease.key.name}")
    try:
        yield
    finally:
        keeping.cancel()
        try:
            await asyncio.wait({keeping})
        finally:  # also when it is cancelled once more
            await lease.release()
