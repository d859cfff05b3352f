"""Records the plan of a batch and accepts it, so that no customer is sent the same group by two batches."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Protocol, TypeVar

from sqlalchemy import Connection

from batch_issuer.assembly import Services
from batch_issuer.batch.holding import HeldRows
from batch_issuer.batch.ids import BatchId
from batch_issuer.batch.requests import IssueRequest
from batch_issuer.errors import AlreadyIssued, BatchInUse, Interrupted
from batch_issuer.ledger import Batch, LeaseKey, Ledger
from batch_issuer.ledger.batches import (
    delete_plan,
    delete_problems,
    delete_recording,
    find_same_content,
    insert_duplicates,
    update_batch,
)
from batch_issuer.ledger.dialects import Lock, lock_for_all
from batch_issuer.ledger.held_rows import GuardMark, guard_mark, insert_held_rows, iterate_requests_of
from batch_issuer.ledger.leases import find_holder
from batch_issuer.ledger.requests import insert_requests
from batch_issuer.ledger.staging import delete_staged, end_drafts
from batch_issuer.planning import Plan, find_held
from batch_issuer.submission import Lease

T = TypeVar("T")

_REQUESTS_IN_BLOCK: Final = 1_000
_CUSTOMERS_IN_BLOCK: Final = 200_000
"""Twelve bytes each: others wait for the transaction that writes them."""
_TRIES: Final = 5
_PATIENCE: Final = 1.0
_COUNTED: Final = (
    *("stage", "rows", "invalid", "duplicates", "already_issued", "repairs"),
    *("form", "warnings", "badges"),
)
Step = Callable[[Connection], None]


class GuardsHeld(Exception):
    """Another process accepts a batch alone: wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What recording the plan of a batch has given."""

    duplicates: int
    already_issued: int
    mark: GuardMark | None
    """The guard as it was before any of it was read; None where nothing is guarded."""


class Planned(Protocol):
    """The valid rows of a batch, whose plan can be recorded any number of times."""

    async def record(self, *, is_guarded: bool) -> Recorded:
        """Record duplicates, held rows and requests, in short transactions.

        Where it is guarded, customers are kept back that other batches hold. Nothing of an earlier plan is
        recorded any more when this is called.
        """

    async def discard(self) -> None:
        """Throw away what was only needed to plan: the batch is accepted."""


async def record_plan(
    services: Services, lease: Lease, batch: Batch, planned: Planned, *, is_guarded: bool
) -> Batch:
    """Record a plan in short transactions, and the batch's new stage in the last; return it as recorded.

    `is_guarded` keeps customers back that other batches hold. Who holds them is read before the plan is
    recorded; where other batches were accepted meanwhile, the plan is recorded once more, and in the end
    alone. Raises AlreadyIssued where the same content was accepted meanwhile, and Interrupted.
    """
    recording = _Recording(services=services, lease=lease, batch=batch, planned=planned)
    recorded = await recording.until_accepted(is_guarded=is_guarded)
    await planned.discard()
    return recorded


async def forget_recorded(lease: Lease, batch: BatchId) -> None:
    """Forget what was recorded of a batch that was never accepted, and keep the batch itself.

    Nobody who still works on parts of it writes any more.
    """
    await lease.write(end_drafts, batch)
    while await lease.write_block(delete_staged, batch):
        pass
    await _forget_plan(lease, batch)
    await lease.write(delete_problems, batch)


async def forget(lease: Lease, batch: BatchId) -> None:
    """Forget a batch that was never accepted."""
    await forget_recorded(lease, batch)
    await lease.write(delete_recording, batch)


async def _forget_plan(lease: Lease, batch: BatchId) -> None:
    while await lease.write_block(delete_plan, batch):
        pass


def enter_guards(
    connection: Connection, batch: Batch, lease: Lease, *, alone: LeaseKey | None = None
) -> None:
    """Keep out whoever else decides the guards of a server, until this transaction ends.

    Raises GuardsHeld where another process accepts a batch alone; `alone` is the key of whoever does.
    """
    lock_for_all(connection, Lock.GUARDS)
    key = alone or LeaseKey(name=_guards_of(batch), owner="")
    if find_holder(connection, key, lease.claim) is not None:
        raise GuardsHeld


async def when_guards_are_free(services: Services, work: Callable[[], Awaitable[T]]) -> T:
    """Do some work that enters the guards, and again for as long as another process has them.

    Raises Interrupted where a stop is asked for meanwhile.
    """
    while True:
        try:
            return await work()
        except GuardsHeld:
            if services.stopping.is_set():
                raise Interrupted("stopped while another batch was accepted; nothing was sent") from None
            await services.clock.sleep(_PATIENCE)


@asynccontextmanager
async def _alone(services: Services, batch: Batch) -> AsyncIterator[LeaseKey]:
    """Keep every other batch of the server from being accepted, over many short transactions."""
    async with AsyncExitStack() as stack:

        async def enter() -> Lease:
            try:
                return await stack.enter_async_context(services.lease(_guards_of(batch)))
            except BatchInUse as exc:
                raise GuardsHeld from exc

        lease = await when_guards_are_free(services, enter)
        yield lease.key


def _guards_of(batch: Batch) -> str:
    return f"guards {batch.base_url} {batch.org_id}"


def hold_back(
    connection: Connection, plan: Plan, *, base_url: str, org_id: str, besides: BatchId | None = None
) -> Plan:
    """Leave out of a plan what accepted batches of a server and organisation, besides one, hold."""
    return plan.without(find_held_rows(connection, plan, base_url=base_url, org_id=org_id, besides=besides))


def find_held_rows(
    connection: Connection, plan: Plan, *, base_url: str, org_id: str, besides: BatchId | None = None
) -> HeldRows:
    """Find the rows of a plan that accepted batches of a server and organisation, besides one, hold."""
    others = iterate_requests_of(connection, plan.groups, base_url=base_url, org_id=org_id, besides=besides)
    return find_held(plan, others)


def refuse_same_content(connection: Connection, batch: Batch) -> None:
    """Raise AlreadyIssued where the same content was accepted before."""
    earlier = find_same_content(connection, batch)
    if earlier is not None:
        raise AlreadyIssued(earlier=earlier)


def _read_guard(ledger: Ledger, batch: Batch, plan: Plan) -> tuple[GuardMark, Plan]:
    with ledger.snapshot() as connection:
        return guard_mark(connection, batch), _free(connection, batch, plan)


def _free(connection: Connection, batch: Batch, plan: Plan) -> Plan:
    return hold_back(connection, plan, base_url=batch.base_url, org_id=batch.org_id, besides=batch.batch)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recording:
    """Records one batch under its lease."""

    services: Services
    lease: Lease
    batch: Batch
    planned: Planned

    async def until_accepted(self, *, is_guarded: bool) -> Batch:
        """Record, and once more where that was overtaken."""
        for _ in range(_TRIES):
            recorded = await self.record(is_guarded=is_guarded)
            if recorded is not None:
                return recorded
        async with _alone(self.services, self.batch) as alone:
            while (recorded := await self.record(is_guarded=is_guarded, alone=alone)) is None:
                pass  # no other is accepted now, unless this process stood still for longer than its lease
        return recorded

    async def record(self, *, is_guarded: bool, alone: LeaseKey | None = None) -> Batch | None:
        """Record and accept; return None, and leave nothing, where its guard was read too early."""
        done = await self.planned.record(is_guarded=is_guarded)
        recorded = replace(self.batch, duplicates=done.duplicates, already_issued=done.already_issued)

        def accept(connection: Connection) -> bool:
            enter_guards(connection, recorded, self.lease, alone=alone)
            return _accept(connection, recorded, done.mark)

        if await when_guards_are_free(self.services, partial(self.lease.write, accept)):
            return recorded
        await _forget_plan(self.lease, self.batch.batch)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class WholePlan:
    """A plan that is in the memory of this process."""

    services: Services
    lease: Lease
    batch: Batch
    plan: Plan

    async def record(self, *, is_guarded: bool) -> Recorded:
        """Record what other batches leave of the plan."""
        mark, plan = None, self.plan
        if is_guarded:
            mark, plan = await asyncio.to_thread(_read_guard, self.services.ledger, self.batch, plan)
        for step in _steps(self.batch, plan):
            await self.lease.write_block(step)
        return Recorded(duplicates=len(plan.duplicates), already_issued=len(plan.held), mark=mark)

    async def discard(self) -> None:
        """There is nothing else."""


def _steps(batch: Batch, plan: Plan) -> Iterator[Step]:
    """Yield what records a plan, each step short."""
    yield partial(_insert_duplicates, batch=batch.batch, plan=plan)
    yield partial(_insert_held, batch=batch.batch, plan=plan)
    for block in in_blocks(plan.requests(org_id=batch.org_id, batch=batch.batch)):
        yield partial(insert_requests, batch=batch.batch, planned=block)


def in_blocks(requests: Iterable[IssueRequest]) -> Iterator[list[IssueRequest]]:
    """Cut requests into blocks of a transaction under a second."""
    block: list[IssueRequest] = []
    customers = 0
    for request in requests:
        block.append(request)
        customers += len(request.customers)
        if len(block) == _REQUESTS_IN_BLOCK or customers >= _CUSTOMERS_IN_BLOCK:
            yield block
            block, customers = [], 0
    if block:
        yield block


def _insert_duplicates(connection: Connection, batch: BatchId, plan: Plan) -> None:
    insert_duplicates(connection, batch, plan.duplicates, plan.repeated)


def _insert_held(connection: Connection, batch: BatchId, plan: Plan) -> None:
    insert_held_rows(connection, batch, plan.held)


def _accept(connection: Connection, batch: Batch, mark: GuardMark | None) -> bool:
    """Decide the guards and accept, in a transaction that has entered the guards.

    A mark that is no longer that of the ledger accepts nothing.
    """
    if mark is not None:
        refuse_same_content(connection, batch)
        if mark != guard_mark(connection, batch):
            return False
    update_batch(connection, batch.batch, {name: getattr(batch, name) for name in _COUNTED})
    end_drafts(connection, batch.batch)  # whoever wakes up late records nothing of a batch that is sent
    return True
