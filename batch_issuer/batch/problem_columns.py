"""Input problems as columns: where every row of a file is wrong, no object is made for each of them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from batch_issuer.batch.problems import InputProblem, Rule
from batch_issuer.batch.requests import RowNumbers

_MADE_AT_ONCE: Final = 4096


class ProblemKind(NamedTuple):
    """What problems of many rows have in common."""

    column: str
    rule: Rule
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProblemColumns:
    """Some input problems: `kinds[codes[i]]` is wrong with row `rows[i]`, whose cell is `values[i]`.

    It is iterated as the InputProblems that it holds; they are made as they are asked for.
    """

    rows: RowNumbers
    codes: npt.NDArray[np.int32]
    kinds: Sequence[ProblemKind]
    values: pa.StringArray

    @classmethod
    def of(cls, problems: Iterable[InputProblem]) -> Self:
        """Lay problems out as columns."""
        found = list(problems)
        code_of: dict[ProblemKind, int] = {}
        kinds = (ProblemKind(one.column, one.rule, one.hint) for one in found)
        codes = [code_of.setdefault(kind, len(code_of)) for kind in kinds]
        return cls(
            rows=np.array([one.row for one in found], dtype=np.uint32),
            codes=np.array(codes, dtype=np.int32),
            kinds=tuple(code_of),
            values=pa.array([one.value for one in found], pa.string()),
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Put the problems of one part behind those of another; each kind is listed once."""
        code_of: dict[ProblemKind, int] = {}
        codes = []
        for part in parts:
            own = [code_of.setdefault(kind, len(code_of)) for kind in part.kinds]
            codes.append(np.array(own, dtype=np.int32)[part.codes])
        return cls(
            rows=np.concatenate([part.rows for part in parts] or [np.empty(0, np.uint32)]),
            codes=np.concatenate(codes or [np.empty(0, np.int32)]),
            kinds=tuple(code_of),
            values=pa.concat_arrays([part.values for part in parts] or [pa.array([], pa.string())]),
        )

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[InputProblem]:
        for start in range(0, len(self), _MADE_AT_ONCE):
            some = slice(start, start + _MADE_AT_ONCE)
            rows, codes = self.rows[some].tolist(), self.codes[some].tolist()
            values = self.values.slice(start, _MADE_AT_ONCE).to_pylist()
            for row, code, value in zip(rows, codes, values, strict=True):
                column, rule, hint = self.kinds[code]
                yield InputProblem(row=row, column=column, value=value, rule=rule, hint=hint)

    def take(self, at: npt.NDArray[np.intp]) -> Self:
        """Return some of them, in any order."""
        return replace(self, rows=self.rows[at], codes=self.codes[at], values=self.values.take(pa.array(at)))

    def of_rows(self, rows: RowNumbers) -> Self:
        """Return the same problems of other rows."""
        return replace(self, rows=rows)

    def counts(self) -> Counter[Rule]:
        """Count them by rule, in order of their first ones."""
        counts = np.bincount(self.codes, minlength=len(self.kinds)).tolist()
        firsts = np.full(len(self.kinds), len(self), dtype=np.int64)
        firsts[self.codes[::-1]] = np.arange(len(self) - 1, -1, -1)  # the first of a kind is written last
        by_rule: Counter[Rule] = Counter()
        for code in np.argsort(firsts).tolist():
            if counts[code]:
                by_rule[self.kinds[code].rule] += counts[code]
        return by_rule

    def first_of(self, rule: Rule, most: int) -> list[InputProblem]:
        """Return the first few that break a rule."""
        breaks = np.array([kind.rule is rule for kind in self.kinds], dtype=np.bool_)
        return list(self.take(np.flatnonzero(breaks[self.codes])[:most]))


NO_PROBLEMS: Final = ProblemColumns.joined([])
