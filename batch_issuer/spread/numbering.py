"""Numbers the chunks of all groups, and says which piece of work records which of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from batch_issuer.ledger import Batch
from batch_issuer.ledger.staging import Cut
from batch_issuer.spread.draft import Draft
from batch_issuer.spread.layout import Counts, Layout, Piece, Unit
from batch_issuer.spread.parts import Numbers
from batch_issuer.spread.requests import Left, RequestsJob
from batch_issuer.spread.units import UnitFacts


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlannedUnit:
    """A unit, and what planning it has given."""

    number: int
    unit: Unit
    parts: Numbers
    """The part of each of its pieces."""
    facts: UnitFacts

    def left(self, first: int, end: int) -> Left | None:
        """Say what it leaves out of the parts from one on, up to another."""
        before, behind = (int(at) for at in np.searchsorted(self.parts, (first, end)))
        duplicates, held = (
            Cut(int(counts[:before].sum()), int(counts[before:behind].sum()))
            for counts in (self.facts.duplicates, self.facts.held)
        )
        if not (duplicates.count or held.count):
            return None
        return Left(unit=self.number, duplicates=duplicates, held=held)


def left_of(units: Sequence[PlannedUnit], first: int, end: int) -> list[Left]:
    """Say what some units leave out of some parts in a row."""
    return [left for unit in units if (left := unit.left(first, end)) is not None]


def requests_jobs(
    layout: Layout, units: Sequence[PlannedUnit], draft: Draft, batch: Batch, *, rows: int
) -> Iterator[RequestsJob]:
    """Yield the pieces of work that record all requests, a large group so many rows at a time."""
    size = batch.settings["chunk_size"]
    before = _chunks_before(layout, units, size)
    for (first, end), some in groupby(units, key=lambda planned: (planned.unit.first, planned.unit.end)):
        same = list(some)
        whole = Unit(first=first, end=end)
        is_large = same[0].unit.slices is not None
        for span in _spans(
            layout.pieces(whole), same, rows=max(1, rows // size) * size if is_large else None
        ):
            yield RequestsJob(
                draft=draft,
                org_id=batch.org_id,
                chunk_size=size,
                groups=layout.groups(whole),
                before=before[first:end] + span.start // size,
                pieces=span.pieces,
                left=left_of(same, span.pieces[0].part, span.pieces[-1].part + 1),
                rows=span.rows,
            )


def _chunks_before(layout: Layout, units: Sequence[PlannedUnit], size: int) -> Counts:
    """Count for each group the chunks before its first: those of all groups whose first row came earlier."""
    kept = np.zeros(len(layout.order), dtype=np.int64)
    for planned in units:
        kept[planned.unit.first : planned.unit.end] += planned.facts.kept
    chunks = np.empty_like(kept)
    chunks[layout.order] = -(-kept // size)
    before: Counts = (np.cumsum(chunks) - chunks)[layout.order]
    return before


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Span:
    """Some rows in a row of what is left of some groups, and the pieces that hold them."""

    start: int
    rows: Cut
    pieces: Sequence[Piece]


def _spans(pieces: Sequence[Piece], units: Sequence[PlannedUnit], *, rows: int | None) -> Iterator[_Span]:
    """Cut what is left of some groups, so many rows at a time; or not at all."""
    kept = np.array([piece.cut.count for piece in pieces], dtype=np.int64)
    parts = np.array([piece.part for piece in pieces])
    for planned in units:
        kept[np.searchsorted(parts, planned.parts)] -= planned.facts.duplicates + planned.facts.held
    borders = np.concatenate([[0], np.cumsum(kept)])
    total = int(borders[-1])
    for start in range(0, total, rows or total or 1):
        end = min(start + (rows or total), total)
        first = int(np.searchsorted(borders, start, "right")) - 1
        behind = int(np.searchsorted(borders, end, "left"))
        cut = Cut(start - int(borders[first]), end - start)
        yield _Span(start=start, rows=cut, pieces=pieces[first:behind])
