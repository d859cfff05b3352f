"""The stage that turns a file into checked rows: the interface that every engine offers."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from batch_issuer.batch.badges import BadgeUse
from batch_issuer.batch.problems import InputProblem, Rule
from batch_issuer.batch.requests import CustomerIds, RowNumbers
from batch_issuer.errors import InputRefused
from batch_issuer.intake.columns import COLUMNS, GROUP_COLUMNS, Columns
from batch_issuer.intake.plain import PlainReader, PlainRows
from batch_issuer.intake.repairs import frame_of, repair
from batch_issuer.intake.schema import distinct_uses
from batch_issuer.intake.sheets import Block, RawBlock
from batch_issuer.intake.source import Source

GroupKey = tuple[str, ...]
"""Badge, owner type, reference and event date, as they are sent."""
GroupCodes = npt.NDArray[np.int32]

_GROUP: Final = list(GROUP_COLUMNS)
_COLUMN_ORDER: Final = {name: position for position, name in enumerate(COLUMNS)}
_NOT_MET: Final = -1


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
    problems: tuple[InputProblem, ...]
    repairs: Counter[str]
    raw: RawBlock
    """The rows that have problems, and perhaps others, as they were read."""
    columns: Columns
    spoiled: frozenset[BadgeUse]
    """How the invalid rows use badges; an owner type or a date that is invalid itself is left out."""

    @property
    def invalid(self) -> int:
        """How many of the rows have problems."""
        return self.total - len(self.rows)


def check_rows(source: Source) -> Iterator[CheckedRows]:
    """Yield checked rows in input order, block by block.

    Raises InputRefused for a file without data rows, or with more than the limit, and what reading raises.
    """
    checker = Checker(source)
    total = 0
    for block in source.blocks():
        checked = checker.check(block)
        total += checked.total
        if total > source.options.limits.max_rows:
            most = f"{source.options.limits.max_rows:,}"
            raise InputRefused(f"{source.name} has more than {most} data rows; split the file")
        if checked.total:
            yield checked
    if not total:
        raise InputRefused(f"{source.name} has a header, but no data rows")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Valid:
    """The valid rows of a frame; row `i` has the key `keys[at[i]]`, which `firsts` says the first row of."""

    rows: RowNumbers
    customers: CustomerIds
    at: npt.NDArray[np.int64]
    keys: Sequence[GroupKey]
    firsts: RowNumbers

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> Self:
        distinct = frame[_GROUP].drop_duplicates()
        return cls(
            rows=frame.index.to_numpy(dtype=np.uint32),
            customers=frame["customer_id"].to_numpy(dtype=np.int64),
            at=np.asarray(frame.groupby(_GROUP, sort=False).ngroup(), dtype=np.int64),
            keys=[tuple(key) for key in distinct.itertuples(index=False)],
            firsts=distinct.index.to_numpy(dtype=np.uint32),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Cells:
    """What checking rows cell by cell brings."""

    valid: _Valid
    problems: tuple[InputProblem, ...] = ()
    repairs: Counter[str] = field(default_factory=Counter)
    spoiled: frozenset[BadgeUse] = frozenset()


_NOTHING: Final = _Valid(
    rows=np.empty(0, np.uint32),
    customers=np.empty(0, np.int64),
    at=np.empty(0, np.int64),
    keys=(),
    firsts=np.empty(0, np.uint32),
)


class Checker:
    """Checks the blocks of one file in their order: plain rows all at once, the others cell by cell."""

    def __init__(self, source: Source) -> None:
        """Start before the first block."""
        self._source = source
        self._plain = PlainReader(columns=source.columns, approve=self._approve)
        self._keys: list[GroupKey] = []
        self._code_of_key: dict[GroupKey, int] = {}
        self._code_of_combination = np.empty(0, dtype=np.int32)

    def check(self, block: Block) -> CheckedRows:
        """Check the next block."""
        if isinstance(block, RawBlock):
            return self._with_plain(block, None)
        plain = self._plain.read(block)
        rest = np.flatnonzero(~plain.is_plain)
        return self._with_plain(block.raw(rest), (block.first, plain))

    def _with_plain(self, raw: RawBlock, plain: tuple[int, PlainRows] | None) -> CheckedRows:
        """Check some rows cell by cell, and join the plain ones to them in input order."""
        cells = self._check_cells(raw)
        part = cells.valid
        if plain is None:
            self._meet(part.firsts, part.keys)
            rows, customers, codes = part.rows, part.customers, self._codes(part.keys)[part.at]
            total = len(raw.numbers)
        else:
            rows, customers, codes = self._join(part, *plain)
            total = len(raw.numbers) + int(plain[1].is_plain.sum())
        return CheckedRows(
            customers=customers,
            rows=rows,
            codes=codes,
            keys=self._keys,
            total=total,
            problems=cells.problems,
            repairs=cells.repairs,
            raw=raw,
            columns=self._source.columns,
            spoiled=cells.spoiled,
        )

    def _join(
        self, part: "_Valid", first: int, plain: PlainRows
    ) -> tuple[RowNumbers, CustomerIds, GroupCodes]:
        at = np.flatnonzero(plain.is_plain)
        rows = (first + at).astype(np.uint32)
        combinations = plain.codes[at]
        self._grow()
        is_new = self._code_of_combination[combinations] == _NOT_MET
        new, firsts = np.unique(combinations[is_new], return_index=True)
        keys = [self._sent(one) for one in new.tolist()]
        self._meet(np.concatenate([part.firsts, rows[is_new][firsts]]), [*part.keys, *keys])
        self._code_of_combination[new] = self._codes(keys)
        codes = self._code_of_combination[combinations]
        if not len(part.rows):
            return rows, plain.customers[at], codes
        every = np.concatenate([part.rows, rows])
        order = np.argsort(every, kind="stable")
        return (
            every[order],
            np.concatenate([part.customers, plain.customers[at]])[order],
            np.concatenate([self._codes(part.keys)[part.at], codes])[order],
        )

    def _sent(self, combination: int) -> GroupKey:
        sent = self._plain.sent[combination]
        if sent is None:
            raise AssertionError("a row was taken as plain whose cells are not right as they stand")
        return sent

    def _grow(self) -> None:
        """Make room for the combinations that were met since."""
        grown = len(self._plain.sent) - len(self._code_of_combination)
        if grown:
            more = np.full(grown, _NOT_MET, dtype=np.int32)
            self._code_of_combination = np.concatenate([self._code_of_combination, more])

    def _meet(self, rows: RowNumbers, keys: Sequence[GroupKey]) -> None:
        """Give the keys that are new their codes, in order of their first rows."""
        for at in np.argsort(rows, kind="stable").tolist():
            if keys[at] not in self._code_of_key:
                self._code_of_key[keys[at]] = len(self._keys)
                self._keys.append(keys[at])

    def _codes(self, keys: Sequence[GroupKey]) -> GroupCodes:
        return np.fromiter((self._code_of_key[key] for key in keys), np.int32, count=len(keys))

    def _approve(self, combinations: Sequence[GroupKey]) -> list[GroupKey | None]:
        """Say what is sent for cells as they were read, where they need no repair and break no rule."""
        options = self._source.options
        cells = pd.DataFrame(combinations, columns=_GROUP, dtype="str")
        cells.insert(0, "customer_id", pd.Series("1", index=cells.index, dtype="str"))
        sent, _ = repair(cells, timezone=options.timezone)
        is_right = ~(cells != cells.apply(lambda column: column.str.strip())).any(axis=1)
        wrong = {problem.row for problem in options.rules.find_problems(sent)}
        rows = sent[_GROUP].itertuples(name=None)
        return [tuple(key) if is_right[at] and at not in wrong else None for at, *key in rows]

    def _check_cells(self, raw: RawBlock) -> _Cells:
        source, rules = self._source, self._source.options.rules
        if not raw.numbers:
            return _Cells(valid=_NOTHING)
        frame, repairs = repair(frame_of(raw, source.columns), timezone=source.options.timezone)
        misled = list(_misleading_cells(raw, source))
        told = {(problem.row, problem.column) for problem in misled}
        problems = [
            *_surplus_fields(raw, source.columns),
            *misled,
            *(found for found in rules.find_problems(frame) if (found.row, found.column) not in told),
        ]
        problems.sort(key=lambda problem: (problem.row, _COLUMN_ORDER.get(problem.column, -1)))
        is_invalid = frame.index.isin(list({problem.row for problem in problems}))
        valid = frame[~is_invalid]
        spoiled = distinct_uses(frame[is_invalid]) if problems else []
        return _Cells(
            valid=_Valid.from_frame(valid.assign(customer_id=valid["customer_id"].astype("int64"))),
            problems=tuple(problems),
            repairs=repairs,
            spoiled=frozenset(filter(None, map(rules.sound_use, spoiled))),
        )


def _surplus_fields(raw: RawBlock, columns: Columns) -> Iterator[InputProblem]:
    width = len(columns.header)
    for row, record in zip(raw.numbers, raw.cells, strict=True):
        if len(record) > width and any(cell.strip() for cell in record[width:]):
            value = next(cell for cell in record[width:] if cell.strip())
            yield InputProblem(row=row, column="", value=value, rule=Rule.SURPLUS_FIELDS)


def _misleading_cells(raw: RawBlock, source: Source) -> Iterator[InputProblem]:
    """Yield the problems of cells that are not what their text looks like."""
    places = source.columns.positions.items()
    cells_of = dict(zip(raw.numbers, raw.cells, strict=True)) if raw.kinds else {}
    for row, kinds in raw.kinds.items():
        for column, at in places:
            finding = source.options.rules.explain_kind(column, kinds[at]) if at in kinds else None
            if finding is not None:
                value = cells_of[row][at]
                yield InputProblem(row=row, column=column, value=value, rule=finding.rule, hint=finding.hint)
