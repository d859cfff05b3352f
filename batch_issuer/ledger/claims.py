"""Queries on claims: which lane is to send which request. Of two living lanes never both have one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, func, or_, select, tuple_, update

from batch_issuer.batch.ids import BatchId
from batch_issuer.batch.stages import Stage
from batch_issuer.ledger import tables
from batch_issuer.ledger.leases import LeaseKey, check_lease, holds_lease
from batch_issuer.ledger.prepared import Prepared
from batch_issuer.ledger.requests import PLACE
from batch_issuer.ledger.unsent import PLANNED, Unsent, issue_request

_known = tables.requests.c
Place = tuple[int, str, int]
"""A place in the order of requests."""
START: Place = (0, "", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claiming:
    """Who claims, of what, and within what."""

    batch: BatchId
    lane: LeaseKey
    run: LeaseKey
    sending: str
    """One command's sending of the batch, in however many runs of lanes: attempts count over all of it."""
    max_attempts: int


def _may_be_claimed() -> ColumnElement[bool]:
    # all of it is said by the request's own row: what is read of it anew, once it is locked, can't be stale
    is_new = _known.claimed_in != bindparam("sending_")
    is_free = and_(_known.owner == "", _known.attempts - _known.attempts_before < bindparam("most_"))
    return and_(_known.batch == bindparam("batch_"), _known.stage == Stage.NOT_SENT, or_(is_new, is_free))


_claimable = Prepared(
    lambda _: (
        PLANNED.add_columns(_known.attempts, _known.doubts, _known.claimed_in, _known.attempts_before)
        .where(_may_be_claimed())
        .where(tuple_(*PLACE) > tuple_(bindparam("chunk_"), bindparam("halvings_"), bindparam("generation_")))
        .order_by(*PLACE)
        .limit(bindparam("limit_"))
        .with_for_update(of=tables.requests, skip_locked=True)
    )
)
_claim = Prepared(
    lambda _: (
        update(tables.requests)
        .where(_known.request_id == bindparam("id"))
        .values(
            owner=bindparam("owner_"), claimed_in=bindparam("sending_"), attempts_before=bindparam("before")
        )
    )
)
_left = Prepared(lambda _: select(func.count()).select_from(tables.requests).where(_may_be_claimed()))


def claim_requests(
    connection: Connection, claiming: Claiming, after: Place, limit: int
) -> Sequence[Unsent] | None:
    """Claim the next requests after a place that are not sent and that no other lane has.

    None where the run of lanes is over. Raises BatchTakenOver where the lane is.
    """
    if not holds_lease(connection, claiming.run):
        return None
    check_lease(connection, claiming.lane)
    chunk, halvings, generation = after
    place = {"chunk_": chunk, "halvings_": halvings, "generation_": generation}
    terms = {"batch_": claiming.batch, "sending_": claiming.sending, "most_": claiming.max_attempts}
    found = _claimable.fetch(connection, {**terms, **place, "limit_": limit})
    whose = {"owner_": claiming.lane.owner, "sending_": claiming.sending}
    marks = [{"id": row.request_id, "before": _before(row, claiming), **whose} for row in found]
    _claim.run(connection, marks)
    return [
        Unsent(
            request=issue_request(row),
            attempts=row.attempts,
            doubts=row.doubts,
            spent=row.attempts - _before(row, claiming),
        )
        for row in found
    ]


def _before(row: Row[*tuple[Any, ...]], claiming: Claiming) -> int:
    """Return how many attempts a request had when this sending first claimed it."""
    return int(row.attempts_before if row.claimed_in == claiming.sending else row.attempts)


def count_claimable(connection: Connection, batch: BatchId, sending: str, max_attempts: int) -> int:
    """Count the requests that a lane could claim."""
    terms = {"batch_": batch, "sending_": sending, "most_": max_attempts}
    return int(_left.fetch(connection, terms)[0][0])
