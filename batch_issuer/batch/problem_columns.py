"""Input problems as columns: where every row of a file is wrong, no object is made for each of them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from batch_issuer.batch.problems import SHOWN_CHARS, InputProblem, Rule
from batch_issuer.batch.requests import RowNumbers

BETWEEN: Final = " | "
"""What stands between the messages of one row."""
_MADE_AT_ONCE: Final = 4096
_SHOWN_AS_IT_IS: Final = f"^[ -~]{{1,{SHOWN_CHARS}}}$"
_TOLD_OTHERWISE: Final = frozenset({Rule.MISSING, Rule.SURPLUS_FIELDS})
"""Their messages show no value, or change with it."""


class ProblemKind(NamedTuple):
    """What problems of many rows have in common."""

    column: str
    rule: Rule
    hint: str = ""

    @property
    def message(self) -> str:
        """The message of such a problem of an empty cell."""
        problem = InputProblem(row=0, column=self.column, value="", rule=self.rule, hint=self.hint)
        return problem.message


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

    def messages(self) -> pa.StringArray:
        """Return the message of each, most of them put together at once."""
        is_usual = np.array([kind.rule not in _TOLD_OTHERWISE for kind in self.kinds], dtype=np.bool_)
        usual = is_usual[self.codes] & np.asarray(pc.match_substring_regex(self.values, _SHOWN_AS_IT_IS))
        before = [f"{kind.column} '" for kind in self.kinds]
        behind = [f"'{kind.message.removeprefix(kind.column)}" for kind in self.kinds]
        codes = pa.array(self.codes)
        ends = (pa.array(texts, pa.string()).take(codes) for texts in (before, behind))
        messages = pc.binary_join_element_wise(next(ends), self.values, next(ends), "")
        if usual.all():
            return messages
        others = self.take(np.flatnonzero(~usual))
        return pc.replace_with_mask(messages, pa.array(~usual), _distinct_messages(others))

    def by_row(self) -> tuple[RowNumbers, pa.StringArray]:
        """Return each row once, and all messages of it as one text; problems must be in order of rows."""
        is_first = np.ones(len(self), dtype=np.bool_)
        is_first[1:] = self.rows[1:] != self.rows[:-1]
        starts = np.flatnonzero(is_first)
        ends = pa.array(np.append(starts, len(self)), pa.int32())
        return self.rows[starts], pc.binary_join(pa.ListArray.from_arrays(ends, self.messages()), BETWEEN)

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


def _distinct_messages(problems: ProblemColumns) -> pa.StringArray:
    """Return the message of each problem, those that are alike made once."""
    texts = problems.values.dictionary_encode()
    pairs = problems.codes.astype(np.int64) * len(texts.dictionary) + np.asarray(texts.indices)
    _, firsts, which = np.unique(pairs, return_index=True, return_inverse=True)
    messages = [problem.message for problem in problems.take(firsts)]
    return pa.array(messages, pa.string()).take(pa.array(which))


NO_PROBLEMS: Final = ProblemColumns.joined([])
