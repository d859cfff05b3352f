"""The stage that turns a file into checked rows: the interface that every engine offers."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from batch_issuer.batch.badges import BadgeUse
from batch_issuer.batch.problem_columns import ProblemColumns
from batch_issuer.batch.requests import CustomerIds, RowNumbers
from batch_issuer.errors import InputRefused
from batch_issuer.intake.code_book import CodeBook
from batch_issuer.intake.columns import COLUMNS, Columns
from batch_issuer.intake.combinations import MOST_REMEMBERED, NOT_SENT, Codes, Combinations
from batch_issuer.intake.customer_ids import read_ids
from batch_issuer.intake.known_cells import known_cells
from batch_issuer.intake.schema import in_order
from batch_issuer.intake.sheets import Block, RawBlock
from batch_issuer.intake.source import Source

GroupKey = tuple[str, ...]
"""Badge, owner type, reference and event date, as they are sent."""
GroupCodes = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CheckedRows:
    """Some rows of the input, checked: each is either valid, or has problems.

    The valid ones are in input order: customer `customers[i]` stands in row `rows[i]`, and what else is sent
    for it is `keys[codes[i]]`: badge, owner type, reference and event date.
    """

    customers: CustomerIds
    rows: RowNumbers
    codes: GroupCodes
    keys: Sequence[GroupKey]
    """Those of all rows so far, in order of their first valid row; it grows with the blocks to come."""
    total: int
    problems: ProblemColumns
    repairs: Counter[str]
    block: Block
    """The rows as they were read."""
    columns: Columns
    spoiled: frozenset[BadgeUse]
    """How the invalid rows use badges; an owner type or a date that is invalid itself is left out.

    What was told of earlier rows of the file may be missing.
    """

    @property
    def invalid(self) -> int:
        """How many of the rows have problems."""
        return self.total - len(self.rows)

    @property
    def raw(self) -> RawBlock:
        """The rows that have problems, as they were read."""
        return self.block.raw(np.flatnonzero(np.isin(self.block.rows, self.problems.rows)))


def check_rows(source: Source) -> Iterator[CheckedRows]:
    """Yield checked rows in input order, block by block.

    Raises InputRefused for a file without data rows, or with more than the limit, and what reading raises.
    """
    count = RowCount(source)
    for checked in check_part(source):
        count.add(checked.total)
        yield checked
    count.end()


def check_part(source: Source) -> Iterator[CheckedRows]:
    """Yield checked rows in input order of what may be a part of a file. Raises what reading raises."""
    checker = Checker(source)
    for block in source.blocks():
        checked = checker.check(block)
        if checked.total:
            yield checked


class RowCount:
    """Counts the data rows of a file, which must be neither none nor too many."""

    def __init__(self, source: Source) -> None:
        """Start before the first row."""
        self._name = source.name
        self._most = source.options.limits.max_rows
        self._total = 0

    def add(self, rows: int) -> None:
        """Count some rows. Raises InputRefused where there are more than the limit by now."""
        self._total += rows
        if self._total > self._most:
            raise InputRefused(f"{self._name} has more than {self._most:,} data rows; split the file")

    def end(self) -> None:
        """Raise InputRefused where there was none."""
        if not self._total:
            raise InputRefused(f"{self._name} has a header, but no data rows")


class Checker:
    """Checks the blocks of one file in their order."""

    def __init__(self, source: Source, *, most_remembered: int = MOST_REMEMBERED) -> None:
        """Start before the first block."""
        self._source = source
        self._combinations = Combinations(source.options, most_remembered=most_remembered)
        self._keys = CodeBook()

    def check(self, block: Block) -> CheckedRows:
        """Check the next block."""
        source, combinations = self._source, self._combinations
        cells = known_cells(block, source.columns, source.options.rules)
        codes = combinations.read(cells.groups, len(cells.rows))
        ids = read_ids(cells.customer_ids, source.options.rules)
        is_valid = ids.is_right & combinations.is_right[codes]
        is_valid[np.searchsorted(cells.rows, cells.misread.rows)] = False
        problems = [
            ids.problems.of_rows(cells.rows[ids.problems.rows]),
            combinations.problems(codes, cells.rows),
        ]
        valid = slice(None) if is_valid.all() else is_valid
        return CheckedRows(
            customers=ids.customers[valid],
            rows=cells.rows[valid],
            codes=self._key_codes(codes[valid]),
            keys=self._keys.values,
            total=len(cells.rows),
            problems=_told_once(cells.misread, ProblemColumns.joined(problems)),
            repairs=ids.repairs + combinations.repairs(codes),
            block=block,
            columns=source.columns,
            spoiled=combinations.badge_uses(codes[~is_valid]),
        )

    def _key_codes(self, codes: Codes) -> GroupCodes:
        """Turn codes of combinations into those of keys, which are in order of their first rows."""
        of_combination = self._combinations.key_codes
        new, firsts = np.unique(codes[of_combination[codes] == NOT_SENT], return_index=True)
        if len(new):
            new = new[np.argsort(firsts)]
            of_combination[new] = self._keys.read(
                list(map(self._combinations.sent.__getitem__, new.tolist()))
            )
        key_codes: GroupCodes = of_combination[codes]
        return key_codes


def _told_once(misread: ProblemColumns, found: ProblemColumns) -> ProblemColumns:
    """Join problems in order; of a cell that was misread nothing else is told."""
    if not len(misread):
        return in_order(found)
    told, others = _places(misread), _places(found)
    found = found.take(np.flatnonzero(~np.isin(others, told)))
    return in_order(ProblemColumns.joined([misread, found]))


def _places(problems: ProblemColumns) -> npt.NDArray[np.int64]:
    """Return a number for the row and column of each problem."""
    columns = [COLUMNS.index(kind.column) if kind.column else -1 for kind in problems.kinds]
    at = np.array(columns, dtype=np.int64)[problems.codes]
    places: npt.NDArray[np.int64] = problems.rows.astype(np.int64) * (len(COLUMNS) + 1) + at
    return places
