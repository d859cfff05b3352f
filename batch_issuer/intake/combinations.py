"""Remembers the combinations of cells besides the customer's id, so that each is repaired and checked once.

Files repeat a few of them over many rows. Where nearly each row has its own they are forgotten again in time:
remembering would take memory, and save nothing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from batch_issuer.batch.badges import BadgeUse
from batch_issuer.batch.problem_columns import NO_PROBLEMS, ProblemColumns
from batch_issuer.batch.requests import RowNumbers
from batch_issuer.intake.code_book import Cells, CodeBook
from batch_issuer.intake.columns import GROUP_COLUMNS
from batch_issuer.intake.known_cells import Encoded
from batch_issuer.intake.repairs import BLANKS, repair_groups
from batch_issuer.intake.schema import BADGE_COLUMNS, OF_ROWS
from batch_issuer.intake.source import InputOptions

Combination = Cells
"""The cells of a row besides the customer's id, in the order of the known columns."""
Codes = npt.NDArray[np.integer]

NOT_SENT: Final = -1
_LUT_SIZE: Final = 1 << 18
MOST_REMEMBERED: Final = 1 << 18
_USE_PLACES: Final = tuple(GROUP_COLUMNS.index(name) for name in BADGE_COLUMNS)


class Combinations:
    """The combinations of one file: each has a code, the index of what is kept here of it."""

    sent: list[Combination]
    """What is sent for each, where it is right."""
    is_right: npt.NDArray[np.bool_]
    key_codes: npt.NDArray[np.int32]
    """What its user calls what is sent for it; NOT_SENT until it says so."""

    def __init__(self, options: InputOptions, *, most_remembered: int) -> None:
        """Start with none, and start anew when there are more than so many."""
        self._options = options
        self._most_remembered = most_remembered
        self.forget()

    def forget(self) -> None:
        """Forget all: codes count from 0 again."""
        self.sent, self.is_right = [], np.empty(0, dtype=np.bool_)
        self.key_codes = np.empty(0, dtype=np.int32)
        self._met = CodeBook()
        self._problems = NO_PROBLEMS  # in order of the codes, which stand for rows
        self._wrong_cells: set[tuple[int, str]] = set()
        self._blanks = np.empty(0, dtype=np.int64)
        self._is_told = np.empty(0, dtype=np.bool_)

    def read(self, groups: Sequence[Encoded], count: int) -> Codes:
        """Give each of some rows the code of its combination; codes of earlier rows may mean others then."""
        if len(self.sent) > self._most_remembered:
            self.forget()
        firsts, which = _distinct_rows(groups, count)
        codes = self._met.read(list(zip(*(group.listed(firsts) for group in groups), strict=True)))
        met, at = np.unique(codes, return_index=True)
        new = firsts[at[met >= len(self.sent)]]
        if len(new):
            named = zip(GROUP_COLUMNS, groups, strict=True)
            self._check({name: group.cells(new) for name, group in named}, len(new))
        return codes[which]

    def repairs(self, codes: Codes) -> Counter[str]:
        """Count the repairs of some rows."""
        blanks = int(self._blanks[codes].sum()) if self._blanks.any() else 0
        return +Counter({BLANKS: blanks})

    def problems(self, codes: Codes, rows: RowNumbers) -> ProblemColumns:
        """Return the problems that some rows have by their combinations."""
        wrong = np.flatnonzero(~self.is_right[codes])
        if not len(wrong):
            return NO_PROBLEMS
        start = np.searchsorted(self._problems.rows, codes[wrong].astype(np.uint32), "left")
        end = np.searchsorted(self._problems.rows, codes[wrong].astype(np.uint32), "right")
        counts = end - start
        at = np.repeat(start - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        return self._problems.take(at).of_rows(np.repeat(rows[wrong], counts))

    def badge_uses(self, codes: Codes) -> frozenset[BadgeUse]:
        """Return how some rows use badges, but for uses that were returned before."""
        is_used = np.zeros(len(self.sent), dtype=np.bool_)
        is_used[codes] = True
        new = np.flatnonzero(is_used & ~self._is_told)
        self._is_told[new] = True
        return frozenset(use for use in map(self._use, new.tolist()) if use[0])

    def _use(self, code: int) -> BadgeUse:
        """Return how a combination uses its badge; what is invalid by itself is left out."""
        cells = zip(BADGE_COLUMNS, _USE_PLACES, strict=True)
        badge, owner, date = (
            "" if (code, name) in self._wrong_cells else self.sent[code][at] for name, at in cells
        )
        return badge, owner, date

    def _check(self, new: Mapping[str, pa.StringArray], count: int) -> None:
        """Repair and check combinations that were not met before."""
        start = len(self.sent)
        sent, blanks = repair_groups(new, timezone=self._options.timezone)
        problems = self._options.rules.find_in_groups(sent)
        is_right = np.ones(count, dtype=np.bool_)
        is_right[problems.rows] = False
        if all(sent[name].equals(cells) for name, cells in new.items()):
            self.sent.extend(self._met.values[start:])
        else:
            self.sent.extend(zip(*(cells.to_pylist() for cells in sent.values()), strict=True))
        self.is_right = np.concatenate([self.is_right, is_right])
        self.key_codes = np.concatenate([self.key_codes, np.full(count, NOT_SENT, dtype=np.int32)])
        self._blanks = np.concatenate([self._blanks, blanks])
        self._is_told = np.concatenate([self._is_told, np.zeros(count, dtype=np.bool_)])
        if len(problems):
            problems = problems.of_rows(problems.rows + np.uint32(start))
            self._problems = ProblemColumns.joined([self._problems, problems])
            self._wrong_cells |= _wrong_cells(problems)


def _wrong_cells(problems: ProblemColumns) -> set[tuple[int, str]]:
    columns = [None if kind.rule in OF_ROWS else kind.column for kind in problems.kinds]
    found = zip(problems.rows.tolist(), problems.codes.tolist(), strict=True)
    return {(row, column) for row, code in found if (column := columns[code]) in BADGE_COLUMNS}


def _distinct_rows(groups: Sequence[Encoded], count: int) -> tuple[Codes, Codes]:
    """Return the first row of each distinct combination, and for each row which of them it has."""
    mixed, size = np.zeros(count, dtype=np.int64), 1
    for texts, places in groups:
        if places is None:
            continue
        mixed = places.astype(np.int64) if size == 1 else mixed * len(texts) + places
        size *= len(texts)
        if size > _LUT_SIZE:  # made small again: the product of many columns would not fit
            _, mixed = np.unique(mixed, return_inverse=True)
            size = count
    if size > _LUT_SIZE:
        _, firsts, which = np.unique(mixed, return_index=True, return_inverse=True)
        return firsts, which
    first_of = np.full(size, count, dtype=np.intp)
    first_of[mixed[::-1]] = np.arange(count - 1, -1, -1)  # of rows that are alike the first comes last
    present = np.flatnonzero(first_of < count)
    place = np.empty(size, dtype=np.intp)
    place[present] = np.arange(len(present))
    return first_of[present], place[mixed]
