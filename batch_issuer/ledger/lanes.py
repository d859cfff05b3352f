"""Queries on lanes: the leases under which several processes send the requests of one batch.

A run of lanes is a lease, too: whoever sends the batch holds it, and a lane is taken, and claims requests,
only while it is held. What a lane had claimed or marked for sending is never left with it: it is given back,
or put in doubt, in the transaction that ends the lane's lease.

Leases are locked in one order: that of the batch, of its run of lanes, of a lane; and requests after them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, delete, select, update

from batch_issuer.batch.ids import BatchId
from batch_issuer.batch.stages import Stage
from batch_issuer.ledger import tables
from batch_issuer.ledger.leases import (
    Claim,
    Holder,
    LeaseKey,
    check_lease,
    find_holder,
    find_worker,
    lock_lease,
    look_at_leases,
    release_lease,
    take_lease,
)
from batch_issuer.ledger.transitions import mark_interrupted

_known, _requests = tables.leases.c, tables.requests.c


def run_of(batch: BatchId) -> str:
    """Name the lease of a batch's run of lanes."""
    return f"lanes {batch}"


def lane_of(batch: BatchId, number: int) -> str:
    """Name the lease of one of a batch's lanes."""
    return f"{_words(batch)}{number}"


def _words(batch: BatchId) -> str:
    return f"lane {batch} "


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneWork:
    """What a lane is for: a run of lanes of a batch."""

    batch: BatchId
    run: LeaseKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look at the lanes of a batch found."""

    held: Sequence[int]
    """The lanes that somebody has."""
    buried: Sequence[int] = ()
    """Those whose process is gone, or slept past its lease: what was theirs is free now, or in doubt."""
    is_on: bool = False
    """The run of lanes is still held by who asked."""


def take_lane(
    connection: Connection, key: LeaseKey, claim: Claim, *, work: LaneWork, at: str
) -> Holder | None:
    """Take a lane that nobody has, or whose owner is over; else tell who has it.

    Raises BatchTakenOver where its run is over.
    """
    check_lease(connection, work.run)
    holder = lock_lease(connection, key, claim)
    if holder is not None:
        return holder
    _bury(connection, key.name, work.batch, at)
    return take_lease(connection, key, claim)


def end_lane(connection: Connection, key: LeaseKey, *, batch: BatchId, at: str) -> None:
    """Give a lane back, with all that is left of what it had claimed."""
    if _owner_of(connection, key.name, lock=True) == key.owner:
        _bury(connection, key.name, batch, at)


def look_at_lanes(
    connection: Connection, batch: BatchId, claim: Claim, *, run: LeaseKey | None = None, at: str
) -> Look:
    """Bury the lanes that are over, and tell which are held. Only for the holder of the batch's lease."""
    held, buried = [], []
    for name, holder in look_at_leases(connection, _words(batch), claim).items():
        number = int(name.removeprefix(_words(batch)))
        if holder is not None or find_holder(connection, LeaseKey(name=name, owner=""), claim) is not None:
            held.append(number)
        elif _bury(connection, name, batch, at):
            buried.append(number)
    return Look(
        held=held, buried=buried, is_on=run is not None and _owner_of(connection, run.name) == run.owner
    )


def _bury(connection: Connection, name: str, batch: BatchId, at: str) -> bool:
    """End the lease of a lane that is over, so that its owner can write nothing more if it wakes."""
    owner = _owner_of(connection, name, lock=True)
    if not owner:
        return False
    release_lease(connection, LeaseKey(name=name, owner=owner))
    mark_interrupted(connection, batch, at, owner=owner)
    # after those: what an answer that came late has made unsent meanwhile is among them
    is_left = and_(_requests.batch == batch, _requests.owner == owner, _requests.stage == Stage.NOT_SENT)
    connection.execute(update(tables.requests).where(is_left).values(owner=""))
    return True


def _owner_of(connection: Connection, name: str, *, lock: bool = False) -> str:
    query = select(_known.owner).where(_known.name == name)
    return connection.execute(query.with_for_update() if lock else query).scalar_one_or_none() or ""


def is_run_on(connection: Connection, run: LeaseKey, now: Callable[[Connection], datetime]) -> bool:
    """Tell whether a run of lanes goes on, as far as one who only looks can tell."""
    if _owner_of(connection, run.name) != run.owner:
        return False
    return find_worker(connection, run.name, now(connection)) is not None


def stop_run(connection: Connection, run: LeaseKey, *, lane: LeaseKey) -> None:
    """End a run of lanes for a reason that one of its lanes has found.

    Raises BatchTakenOver where that lane is over itself.
    """
    _owner_of(connection, run.name, lock=True)
    check_lease(connection, lane)
    release_lease(connection, run)


def end_runs(connection: Connection, batch: BatchId, claim: Claim, *, at: str) -> Look:
    """End whatever run of lanes there is of a batch, and look at what lanes are left.

    Only for the holder of the batch's lease: from then on no lane is taken, and none claims anything.
    """
    connection.execute(delete(tables.leases).where(_known.name == run_of(batch)))
    look = look_at_lanes(connection, batch, claim, at=at)
    is_lane = _known.name.startswith(_words(batch), autoescape=True)
    connection.execute(delete(tables.leases).where(is_lane, _known.owner == ""))
    return look
