"""Records the plan of a batch and accepts it, so that no customer is sent the same group by two batches."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Final

from sqlalchemy import Connection

from batch_issuer.batch.ids import BatchId
from batch_issuer.errors import AlreadyIssued
from batch_issuer.ledger import Batch, Ledger
from batch_issuer.ledger.batches import (
    delete_plan,
    delete_problems,
    delete_recording,
    find_same_content,
    insert_duplicates,
    update_batch,
)
from batch_issuer.ledger.held_rows import GuardMark, guard_mark, insert_held_rows, iterate_requests_of
from batch_issuer.ledger.requests import insert_requests
from batch_issuer.planning import Plan, find_held

_REQUESTS_IN_TRANSACTION: Final = 1_000
_TRIES: Final = 5
_COUNTED: Final = ("stage", "rows", "invalid", "duplicates", "already_issued", "repairs")
Step = Callable[[Connection], None]


async def record_plan(ledger: Ledger, batch: Batch, plan: Plan, *, is_guarded: bool) -> Batch:
    """Record a plan in short transactions, and the batch's new stage in the last; return it as recorded.

    `is_guarded` keeps customers back that other batches hold. Who holds them is read before the plan is
    recorded; where other batches were accepted meanwhile, the plan is recorded once more. Raises
    AlreadyIssued where the same content was accepted meanwhile.
    """
    if not is_guarded:
        return await _record(ledger, batch, plan, None) or batch
    for _ in range(_TRIES):
        mark, free = await asyncio.to_thread(_read_guard, ledger, batch, plan)
        recorded = await _record(ledger, batch, free, mark)
        if recorded is not None:
            return recorded
        await _forget_plan(ledger, batch.batch)
    return await ledger.write(_record_at_once, batch, plan)


async def forget_recorded(ledger: Ledger, batch: BatchId) -> None:
    """Forget what was recorded of a batch that was never accepted, and keep the batch itself."""
    await _forget_plan(ledger, batch)
    await ledger.write(delete_problems, batch)


async def forget(ledger: Ledger, batch: BatchId) -> None:
    """Forget a batch that was never accepted."""
    await forget_recorded(ledger, batch)
    await ledger.write(delete_recording, batch)


async def _forget_plan(ledger: Ledger, batch: BatchId) -> None:
    while await ledger.write(delete_plan, batch):
        pass


def hold_back(
    connection: Connection, plan: Plan, *, base_url: str, org_id: str, besides: BatchId | None = None
) -> Plan:
    """Leave out of a plan what accepted batches of a server and organisation, besides one, hold."""
    others = iterate_requests_of(
        connection, plan.table.groups, base_url=base_url, org_id=org_id, besides=besides
    )
    return plan.without(find_held(plan, others))


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


async def _record(ledger: Ledger, batch: Batch, plan: Plan, mark: GuardMark | None) -> Batch | None:
    """Record a plan in short transactions; return None where its guard was read too early."""
    for step in _steps(batch, plan):
        await ledger.write(step)
    recorded = _counted(batch, plan)
    return recorded if await ledger.write(_accept, recorded, mark) else None


def _record_at_once(connection: Connection, batch: Batch, plan: Plan) -> Batch:
    """Record a plan while nobody else can be accepted: long, so only where the short way was overtaken."""
    free = _free(connection, batch, plan)
    for step in _steps(batch, free):
        step(connection)
    recorded = _counted(batch, free)
    _accept(connection, recorded, guard_mark(connection, batch))
    return recorded


def _steps(batch: Batch, plan: Plan) -> Iterator[Step]:
    """Yield what records a plan, each step short."""
    yield partial(_insert_duplicates, batch=batch.batch, plan=plan)
    yield partial(_insert_held, batch=batch.batch, plan=plan)
    requests = plan.requests(org_id=batch.org_id, batch=batch.batch)
    while block := list(islice(requests, _REQUESTS_IN_TRANSACTION)):
        yield partial(insert_requests, batch=batch.batch, planned=block)


def _insert_duplicates(connection: Connection, batch: BatchId, plan: Plan) -> None:
    insert_duplicates(connection, batch, plan.duplicates, plan.repeated)


def _insert_held(connection: Connection, batch: BatchId, plan: Plan) -> None:
    insert_held_rows(connection, batch, plan.held)


def _counted(batch: Batch, plan: Plan) -> Batch:
    return replace(batch, duplicates=len(plan.duplicates), already_issued=len(plan.held))


def _accept(connection: Connection, batch: Batch, mark: GuardMark | None) -> bool:
    """Decide the guards and accept, in the one transaction that no other can enter.

    A mark that is no longer that of the ledger accepts nothing.
    """
    if mark is not None:
        refuse_same_content(connection, batch)
        if mark != guard_mark(connection, batch):
            return False
    update_batch(connection, batch.batch, {name: getattr(batch, name) for name in _COUNTED})
    return True
