"""Queries on the history of batches, a page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, or_, select

from batch_issuer.ledger import tables
from batch_issuer.ledger.batches import Batch, BatchStage

_known = tables.batches.c


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundBatches:
    """A page of batches, the latest first."""

    batches: Sequence[Batch]
    next: str
    """The batch behind which the next page begins; none on the last page."""


def find_batches(  # noqa: PLR0913 - one keyword for each thing to choose by
    connection: Connection,
    *,
    stage: BatchStage | None = None,
    issued_by: str = "",
    text: str = "",
    after: str = "",
    limit: int,
) -> FoundBatches:
    """Return batches, the latest first: of a stage, of a user, and from behind one of them.

    `text` is looked for in what a batch is called, whatever its case.
    """
    query = select(tables.batches).order_by(_known.batch.desc()).limit(limit + 1)
    if stage is not None:
        query = query.where(_known.stage == stage)
    if issued_by:
        query = query.where(_known.issued_by == issued_by)
    if text:
        names = (_known.batch, _known.name, _known.input_name, _known.issued_by)
        query = query.where(or_(*(name.icontains(text, autoescape=True) for name in names)))
    if after:
        query = query.where(_known.batch < after)
    found = [Batch.from_row(row) for row in connection.execute(query)]
    page = found[:limit]
    return FoundBatches(batches=page, next=page[-1].batch if len(found) > limit else "")
