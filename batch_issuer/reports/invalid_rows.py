"""Invalid rows in columns, each with all of its problems."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from batch_issuer.batch.problem_columns import ProblemColumns
from batch_issuer.batch.problem_messages import messages
from batch_issuer.batch.requests import RowNumbers
from batch_issuer.reports.cells import texts_of
from batch_issuer.reports.row_files import BETWEEN_PROBLEMS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InvalidRows:
    """Some invalid rows, in input order: the first problem of row `rows[i]` stands at `starts[i]`."""

    rows: RowNumbers
    starts: npt.NDArray[np.intp]
    problems: ProblemColumns

    @classmethod
    def of(cls, problems: ProblemColumns) -> Self:
        """Take the problems of rows, those of one row one behind the other."""
        starts = np.flatnonzero(np.diff(problems.rows, prepend=0))  # no row has the number 0
        return cls(rows=problems.rows[starts], starts=starts, problems=problems)

    def __len__(self) -> int:
        """Return how many rows these are."""
        return len(self.rows)

    def rules(self) -> pa.Array:
        """Return the rule that each row breaks first."""
        words = texts_of([kind.rule.value for kind in self.problems.kinds])
        return words.take(pa.array(self.problems.codes[self.starts]))

    def texts(self) -> pa.Array:
        """Write all problems of each row as one text."""
        told = messages(self.problems)
        if len(self) == len(self.problems):
            return told
        ends = np.append(self.starts, len(self.problems)).astype(np.int32)
        return pc.binary_join(pa.ListArray.from_arrays(ends, told), BETWEEN_PROBLEMS)

    def first(self, most: int) -> Self:
        """Return the first few of them."""
        end = self.starts[most] if most < len(self) else len(self.problems)
        return self.of(self.problems.take(np.arange(end)))


class InvalidBlocks:
    """Gives the invalid rows of a batch in input order; few blocks of problems are in memory."""

    def __init__(self, blocks: Iterator[ProblemColumns]) -> None:
        """Take the problems in input order."""
        self._blocks = blocks
        self._left = next(blocks, None)

    @property
    def are_left(self) -> bool:
        """Whether there are more."""
        return self._left is not None

    def take(self, end: int) -> InvalidRows:
        """Return the next rows before a number."""
        parts: list[ProblemColumns] = []
        while self._left is not None:
            stop = int(np.searchsorted(self._left.rows, end))
            parts.append(self._left.take(np.arange(stop)))
            if stop < len(self._left):
                self._left = self._left.take(np.arange(stop, len(self._left)))
                break
            self._left = next(self._blocks, None)
        return InvalidRows.of(ProblemColumns.joined(parts))
