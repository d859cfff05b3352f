"""Where the rows of each group stand in the staged parts, and which of them are planned together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from batch_issuer.intake import GroupKey
from batch_issuer.intake.code_book import CodeBook
from batch_issuer.ledger.staging import Cut
from batch_issuer.spread.parts import Numbers, PartFacts, order_of

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Some groups that are planned together, in the order of all groups; or slices of one large group."""

    first: int
    end: int
    slices: tuple[int, int] | None = None
    """From which slice on, up to which, where it is not all of them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Piece:
    """Rows of some groups in one part, run by run: `counts[i]` rows of the group `codes[i]` of those."""

    part: int
    cut: Cut
    codes: Numbers
    counts: Numbers


@dataclass(frozen=True, slots=True, eq=False)
class _Runs:
    """The runs of one part, by the places of their groups in the order of all groups."""

    places: Numbers
    slices: npt.NDArray[np.uint16]
    borders: npt.NDArray[np.uint32]
    """Before each run, and after the last, so many rows come in the part."""

    def within(self, unit: Unit) -> slice:
        """Find the runs of a unit."""
        start, end = np.searchsorted(self.places, (unit.first, unit.end))
        if unit.slices is not None:
            start, end = start + np.searchsorted(self.slices[start:end], unit.slices)
        return slice(int(start), int(end))

    def counts(self, runs: slice) -> Counts:
        """Return how many rows some runs have, each."""
        borders = self.borders[runs.start : runs.stop + 1].astype(np.int64)
        return borders[1:] - borders[:-1]

    @property
    def all(self) -> slice:
        return slice(0, len(self.places))


@dataclass(slots=True)
class Index:
    """Gathers what is known of the parts, one after the other: ten bytes for each group of each part."""

    _book: CodeBook = field(default_factory=CodeBook)
    _parts: list[_Runs] = field(default_factory=list)

    def add(self, facts: PartFacts) -> None:
        """Take the next part."""
        codes = self._book.read(facts.keys)[facts.codes]
        borders = np.cumsum(np.concatenate([[0], facts.counts]))
        self._parts.append(_Runs(codes, facts.slices.astype(np.uint16), borders.astype(np.uint32)))

    @property
    def keys(self) -> Sequence[GroupKey]:
        """The groups so far, in order of their first valid rows."""
        return self._book.values

    def layout(self) -> "Layout":
        """Put the groups in the order in which each part has them."""
        order = order_of(self.keys)
        place = np.empty(len(order), dtype=np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        parts = [_Runs(place[part.places], part.slices, part.borders) for part in self._parts]
        return Layout(keys=self.keys, order=order, parts=parts)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layout:
    """All parts: the group at place `i` is `keys[order[i]]`."""

    keys: Sequence[GroupKey]
    order: Numbers
    parts: Sequence[_Runs]

    def units(self, *, rows: int) -> Iterator[Unit]:
        """Put groups together, as many as have so many rows; a larger one is a unit, or several."""
        borders = np.concatenate([[0], np.cumsum(self._sizes())])
        at = 0
        while at < len(self.order):
            end = int(np.searchsorted(borders, borders[at] + rows, "right")) - 1
            if end > at:
                yield Unit(first=at, end=end)
            else:
                end = at + 1
                yield from self._slices(at, rows)
            at = end

    def _sizes(self) -> Counts:
        sizes = np.zeros(len(self.order), dtype=np.int64)
        for part in self.parts:
            np.add.at(sizes, part.places, part.counts(part.all))
        return sizes

    def _slices(self, place: int, rows: int) -> Iterator[Unit]:
        """Put slices of a large group together, as many as have so many rows."""
        whole = Unit(first=place, end=place + 1)
        sizes = np.zeros(1, dtype=np.int64)
        for part in self.parts:
            runs = part.within(whole)
            found = np.bincount(part.slices[runs], weights=part.counts(runs)).astype(np.int64)
            sizes = np.pad(sizes, (0, max(0, len(found) - len(sizes))))
            sizes[: len(found)] += found
        start = gathered = 0
        for number, size in enumerate(sizes.tolist()):
            if gathered and gathered + size > rows:
                yield Unit(first=place, end=place + 1, slices=(start, number))
                start, gathered = number, 0
            gathered += size
        yield Unit(first=place, end=place + 1, slices=(start, len(sizes)))

    def groups(self, unit: Unit) -> list[GroupKey]:
        """Return the groups of a unit, in their order."""
        return [self.keys[at] for at in self.order[unit.first : unit.end].tolist()]

    def pieces(self, unit: Unit) -> list[Piece]:
        """Say where the rows of a unit are; parts without any are left out."""
        pieces = []
        for number, part in enumerate(self.parts):
            runs = part.within(unit)
            if runs.start < runs.stop:
                start, end = int(part.borders[runs.start]), int(part.borders[runs.stop])
                codes, counts = part.places[runs] - unit.first, part.counts(runs)
                cut = Cut(start, end - start)
                pieces.append(Piece(part=number, cut=cut, codes=codes, counts=counts.astype(np.int32)))
        return pieces

    def parts_of(self, unit: Unit) -> Numbers:
        """Name the parts that hold rows of a unit."""
        within = (part.within(unit) for part in self.parts)
        holds = [runs.start < runs.stop for runs in within]
        return np.flatnonzero(holds).astype(np.int32)
