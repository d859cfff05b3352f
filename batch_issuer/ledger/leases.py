"""Queries on leases: the right to do what only one process may do at a time."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, RowMapping, and_, bindparam, select, update

from batch_issuer.errors import BatchTakenOver
from batch_issuer.ledger import tables
from batch_issuer.ledger.dialects import upsert
from batch_issuer.ledger.prepared import Prepared
from batch_issuer.processes import Process, is_provably_gone

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_known = tables.leases.c


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseKey:
    """One holding of a lease: what it is for, and an owner that no other holding has."""

    name: str
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who claims a lease, for how long, and the clocks to go by."""

    process: Process
    length: timedelta
    now: Callable[[Connection], datetime]
    """The ledger's time: all who share it go by it."""
    uptime: Callable[[], float]
    """Seconds since this machine started: it does not jump, so it decides between processes of one boot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a lease, and how long it runs yet."""

    process: Process
    left: timedelta


def take_lease(connection: Connection, key: LeaseKey, claim: Claim) -> Holder | None:
    """Take a lease that nobody holds, that ran out, or whose owner is provably dead; else tell who has it."""
    holder = lock_lease(connection, key, claim)
    if holder is None:
        _write(connection, key, claim, previous=None)
    return holder


def lock_lease(connection: Connection, key: LeaseKey, claim: Claim) -> Holder | None:
    """Keep a lease, also one that nobody ever had, from changing until this transaction ends.

    Returns who else holds it.
    """
    nobody = upsert(connection, tables.leases).values(name=key.name).on_conflict_do_nothing()
    connection.execute(nobody)
    return find_holder(connection, key, claim)


def renew_lease(connection: Connection, key: LeaseKey, claim: Claim) -> bool:
    """Prolong a lease, also one that ran out meanwhile; False where another owner has it by now."""
    return _write(connection, key, claim, previous=key.owner)


def release_lease(connection: Connection, key: LeaseKey) -> None:
    """Give a lease back, where it is still ours."""
    ours = and_(_known.name == key.name, _known.owner == key.owner)
    connection.execute(update(tables.leases).where(ours).values(owner="", expires_at=0))


_owner = Prepared(
    lambda _: select(_known.owner).where(_known.name == bindparam("name_")).with_for_update(read=True)
)


def check_lease(connection: Connection, key: LeaseKey) -> None:
    """Raise BatchTakenOver where a lease is another's by now; else it is ours till the transaction ends."""
    if not holds_lease(connection, key):
        raise BatchTakenOver(key.name)


def holds_lease(connection: Connection, key: LeaseKey) -> bool:
    """Tell whether a lease is still ours; if so, it is till the transaction ends."""
    rows = _owner.fetch(connection, {"name_": key.name})
    return [row.owner for row in rows] == [key.owner]


def find_holder(connection: Connection, key: LeaseKey, claim: Claim) -> Holder | None:
    """Return who else holds a lease, and keep it from changing until this transaction ends."""
    query = select(tables.leases).where(_known.name == key.name).with_for_update()
    row = connection.execute(query).mappings().one_or_none()
    if row is None or row["owner"] in {"", key.owner}:
        return None
    return _holder(row, claim, connection)


def look_at_leases(connection: Connection, words: str, claim: Claim) -> dict[str, Holder | None]:
    """Tell who holds the leases whose names begin with some words, or held them and is over.

    Nothing is kept from changing.
    """
    query = select(tables.leases).where(_known.name.startswith(words, autoescape=True), _known.owner != "")
    rows = connection.execute(query).mappings().all()
    return {row["name"]: _holder(row, claim, connection) for row in rows}


def _holder(row: RowMapping, claim: Claim, connection: Connection) -> Holder | None:
    holder = Holder(process=_process(row), left=_left(row, claim, connection))
    is_over = holder.left <= timedelta(0) or is_provably_gone(holder.process)
    return None if is_over else holder


def find_worker(connection: Connection, name: str, now: datetime) -> Process | None:
    """Tell who holds a lease now, as far as one who only looks can tell; nothing is kept from changing."""
    query = select(tables.leases).where(_known.name == name, _known.owner != "")
    row = connection.execute(query).mappings().one_or_none()
    if row is None or _EPOCH + timedelta(microseconds=row["expires_at"]) <= now:
        return None
    process = _process(row)
    return None if is_provably_gone(process) else process


def _left(row: RowMapping, claim: Claim, connection: Connection) -> timedelta:
    if row["boot"] and row["boot"] == claim.process.boot:
        return timedelta(microseconds=row["expires_uptime"]) - timedelta(seconds=claim.uptime())
    return _EPOCH + timedelta(microseconds=row["expires_at"]) - claim.now(connection)


def _write(connection: Connection, key: LeaseKey, claim: Claim, *, previous: str | None) -> bool:
    query = update(tables.leases).where(_known.name == key.name)
    if previous is not None:
        query = query.where(_known.owner == previous)
    expires_uptime = timedelta(seconds=claim.uptime()) + claim.length
    values = {
        **asdict(claim.process),
        "owner": key.owner,
        "expires_at": (claim.now(connection) + claim.length - _EPOCH) // _MICROSECOND,
        "expires_uptime": expires_uptime // _MICROSECOND,
    }
    return connection.execute(query.values(**values)).rowcount == 1


def _process(row: RowMapping) -> Process:
    return Process(
        host=row["host"],
        boot=row["boot"],
        namespace=row["namespace"],
        pid=row["pid"],
        started=row["started"],
    )
