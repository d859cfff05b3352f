"""Checks one part of a file, and stages its valid rows in the order in which planning reads them."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from batch_issuer.batch.requests import CustomerIds
from batch_issuer.errors import UsageError
from batch_issuer.intake import CheckedRows, Figures, GroupKey, Source, check_part
from batch_issuer.ledger.batches import insert_new_problems
from batch_issuer.ledger.staging import insert_part
from batch_issuer.planning import RowCollector, RowTable
from batch_issuer.spread.draft import Draft
from batch_issuer.tasks import see_through

Numbers = npt.NDArray[np.int32]
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_HIGH: Final = np.uint64(32)
_SMALL: Final = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PartJob:
    """One part to check."""

    draft: Draft
    number: int
    copy: Path
    """The copy of the input, in a folder that all share."""
    size: int
    """How large the whole copy is."""
    source: Source
    """Reads the part alone."""
    slices: int
    """How many slices large groups are cut into."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PartFacts:
    """What is known of a part that was checked.

    Its valid rows are staged run by run: run `i` is `counts[i]` rows of the group `keys[codes[i]]` whose
    customers are of the slice `slices[i]`, in order of rows.
    """

    figures: Figures
    warnings: Sequence[str]
    keys: Sequence[GroupKey]
    """Its groups, in order of their first valid rows."""
    codes: Numbers
    slices: Numbers
    counts: Numbers


async def check_one_part(job: PartJob) -> PartFacts:
    """Check a part, and record its problems and its valid rows.

    Raises InputRefused and UsageError.
    """
    await asyncio.to_thread(_look_at, job)
    part = _Part()
    async with job.draft.open() as ledger:
        blocks = check_part(job.source)
        while (rows := await see_through(asyncio.to_thread(next, blocks, None))) is not None:
            part.add(rows)
            if rows.problems:
                block = int(rows.problems.rows[0])
                await ledger.write(insert_new_problems, job.draft.batch, block, rows.problems)
        table, facts = await asyncio.to_thread(part.in_runs, job)
        await ledger.write(insert_part, job.draft.batch, job.number, table.customers, table.rows)
    return facts


def _look_at(job: PartJob) -> None:
    """Make sure that the copy of the input is here."""
    path, folder = job.copy, "OUTPUT must be a folder that this machine and all workers share"
    try:
        with path.open("rb"):
            size = path.stat().st_size
    except OSError as exc:
        raise UsageError(f"a worker can't read {path} ({exc.strerror}); {folder}") from exc
    if size != job.size:
        raise UsageError(f"a worker finds another file at {path}; {folder}")


@dataclass(slots=True)
class _Part:
    """Gathers the rows of a part."""

    figures: Figures = field(default_factory=Figures)
    rows: RowCollector = field(default_factory=RowCollector)
    keys: Sequence[GroupKey] = ()

    def add(self, rows: CheckedRows) -> None:
        self.figures.count(rows)
        self.rows.add(rows)
        self.keys = rows.keys

    def in_runs(self, job: PartJob) -> tuple[RowTable, PartFacts]:
        """Sort the rows by group, slice and row, and say where each run is."""
        table, keys = self.rows.take(), list(self.keys)
        order = order_of(keys)
        place = _places(table, order, job.slices)
        by_place = np.argsort(place, kind="stable")
        place = place[by_place].astype(np.int64)
        starts = np.flatnonzero(np.diff(place, prepend=-1))
        ordered = RowTable(
            customers=table.customers[by_place],
            rows=table.rows[by_place],
            codes=table.codes[:0],
            groups=table.groups,
        )
        facts = PartFacts(
            figures=self.figures,
            warnings=job.source.sheet.warnings,
            keys=keys,
            codes=order[place[starts] // job.slices],
            slices=(place[starts] % job.slices).astype(np.int32),
            counts=np.diff(starts, append=len(place)).astype(np.int32),
        )
        return ordered, facts


def order_of(keys: Sequence[GroupKey]) -> Numbers:
    """Put groups in an order that is the same in every part: return the place of each of them in `keys`."""
    digests = b"".join(hashlib.blake2b("\x1f".join(key).encode(), digest_size=16).digest() for key in keys)
    halves = np.frombuffer(digests, dtype=">u8").reshape(-1, 2).astype(np.uint64)
    return np.lexsort((halves[:, 1], halves[:, 0])).astype(np.int32)


def slices_of(customers: CustomerIds, slices: int) -> npt.NDArray[np.int64]:
    """Return the slice of each customer: one customer is always of the same."""
    mixed = (customers.astype(np.uint64) * _MIX) >> _HIGH
    return (mixed % np.uint64(slices)).astype(np.int64)


def _places(table: RowTable, order: Numbers, slices: int) -> npt.NDArray[np.integer]:
    """Return a number for the group and slice of each row, in their order."""
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    place = rank[table.codes] * slices
    if slices > 1:
        place += slices_of(table.customers, slices)
    # numbers of 16 bits are sorted by their digits
    return place.astype(np.uint16) if len(order) * slices <= _SMALL else place
