"""Queries on the requests of a batch, a page at a time."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, tuple_

from batch_issuer.batch.outcomes import Outcome
from batch_issuer.batch.stages import Stage
from batch_issuer.ledger import tables
from batch_issuer.ledger.requests import PLACE, RequestRecord

_known = tables.requests.c
IS_WAITING: Final = and_(
    _known.stage == Stage.SUBMITTED, _known.is_final == 0, _known.outcome == Outcome.PENDING
)
"""It waits for a checker, as far as the ledger knows."""

_NUMBER: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_HALVINGS: Final = re.compile(r"[01]{0,40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPlace:
    """Where in a batch a request stands."""

    chunk: int
    halvings: str
    generation: int

    @classmethod
    def of(cls, record: RequestRecord) -> Self:
        """Take the place of a request."""
        return cls(chunk=record.chunk, halvings=record.halvings, generation=record.generation)

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read what `str` wrote, or return None for any other text."""
        chunk, _, rest = text.partition(".")
        halvings, _, generation = rest.partition(".")
        if not (_NUMBER.fullmatch(chunk) and _NUMBER.fullmatch(generation) and _HALVINGS.fullmatch(halvings)):
            return None
        return cls(chunk=int(chunk), halvings=halvings, generation=int(generation))

    def __str__(self) -> str:
        """Write it for an address."""
        return f"{self.chunk}.{self.halvings}.{self.generation}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFilter:
    """Which requests are looked for."""

    stages: Sequence[tuple[str, str]] = ()
    """Stages, each with a state of the server; with none of them each will do."""
    is_waiting: bool = False
    """Only those that wait for a checker."""
    after: RequestPlace | None = None
    """The place of the last that was seen."""
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRequests:
    """A page of requests, in their order."""

    requests: Sequence[RequestRecord] = ()
    next_after: RequestPlace | None = None
    """The place of the last, where there are more behind it."""


def find_requests(connection: Connection, batch: str, wanted: RequestFilter) -> FoundRequests:
    """Return the first requests of a batch that are looked for, in their order."""
    limit, after = wanted.limit, wanted.after
    query = select(tables.requests).where(_known.batch == batch).order_by(*PLACE).limit(limit + 1)
    if wanted.stages:
        query = query.where(or_(*(_is_at(stage, state) for stage, state in wanted.stages)))
    if wanted.is_waiting:
        query = query.where(IS_WAITING)
    if after is not None:
        query = query.where(tuple_(*PLACE) > tuple_(after.chunk, after.halvings, after.generation))
    found = [RequestRecord.from_row(row) for row in connection.execute(query).mappings()]
    page = found[:limit]
    return FoundRequests(requests=page, next_after=RequestPlace.of(page[-1]) if len(found) > limit else None)


def _is_at(stage: str, state: str) -> ColumnElement[bool]:
    return and_(_known.stage == stage, _known.state == state)


def count_by_state(connection: Connection, batch: str) -> dict[tuple[str, str], int]:
    """Count the requests of a batch by stage and state."""
    query = (
        select(_known.stage, _known.state, func.count())
        .where(_known.batch == batch)
        .group_by(_known.stage, _known.state)
    )
    return {(stage, state): count for stage, state, count in connection.execute(query)}
