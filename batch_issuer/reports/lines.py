"""Lines of the reconciliation, written for many rows at once."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from batch_issuer.batch.outcomes import Outcome
from batch_issuer.batch.requests import CustomerIds, RowNumbers
from batch_issuer.reports.cells import cells, joined, numbers, texts_of
from batch_issuer.reports.fates import OUTCOMES, Fates, Places, code_of, outcomes_among
from batch_issuer.reports.replied import Told

_NUMBER: Final = "\0"
"""Stands for the number of the repeated row in what duplicates are told."""
_NEVER_ISSUED: Final = frozenset(
    {Outcome.REJECTED, Outcome.FAILED, Outcome.ISSUE_FAILED, Outcome.UNACCOUNTED, Outcome.NOT_SENT}
)

NumberedLines = tuple[RowNumbers, pa.Array]
"""Lines, each with the number of its row."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowLines:
    """Some rows of the input, in its order: row `rows[i]` has the customer `customers[i]`."""

    rows: RowNumbers
    customers: CustomerIds
    told: Told

    @property
    def fates(self) -> Fates:
        """Their fates, each once."""
        return self.told.fates

    def __len__(self) -> int:
        """Return how many rows these are."""
        return len(self.rows)

    def outcomes(self) -> Counter[Outcome]:
        """Count the rows by outcome."""
        return self.fates.count(self.told.fate_of)

    def of(self, outcomes: frozenset[Outcome]) -> Places:
        """Return the places of the rows with some outcomes."""
        return self._places(outcomes_among(self.fates.outcomes, outcomes))

    def worth_a_look(self, fine: frozenset[Outcome]) -> Places:
        """Return the places of the rows with other outcomes than some."""
        return self._places(~outcomes_among(self.fates.outcomes, fine))

    def _places(self, of_fates: npt.NDArray[np.bool_]) -> Places:
        """Return the places of the rows with some of the fates: most often there are none."""
        return np.flatnonzero(of_fates[self.told.fate_of]) if of_fates.any() else np.empty(0, np.intp)

    def outcome(self, at: int) -> Outcome:
        """Return the outcome of one row."""
        return OUTCOMES[int(self.fates.outcomes[self.told.fate_of[at]])]

    def take(self, places: Places) -> Self:
        """Return the rows at some places."""
        told = self.told
        issued_ids = None if told.issued_ids is None else told.issued_ids.take(pa.array(places))
        return replace(
            self,
            rows=self.rows[places],
            customers=self.customers[places],
            told=replace(told, fate_of=told.fate_of[places], issued_ids=issued_ids),
        )

    def messages(self, places: Places) -> pa.Array:
        """Return what the rows at some places are told, as one text each."""
        return self.fates.told().take(self.told.fate_of[places])

    def lines(self) -> pa.Array:
        """Write the lines, their ends included."""
        which, issued_ids = pa.array(self.told.fate_of), self.told.issued_ids
        before, behind = self.fates.before(), self.fates.behind()
        if issued_ids is None:
            parts = [joined(before, "", behind).take(which)]
        else:
            parts = [before.take(which), issued_ids, behind.take(which)]
        return joined(numbers(self.rows), numbers(self.customers), *parts)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DuplicateLines(RowLines):
    """Rows that repeat others: row `rows[i]` repeats `repeated[i]`, whose request speaks for it."""

    repeated: RowNumbers

    def take(self, places: Places) -> Self:
        """Return the rows at some places."""
        taken = RowLines.take(self, places)
        return replace(taken, repeated=self.repeated[places])

    def messages(self, places: Places) -> pa.Array:
        """Return what the rows at some places are told."""
        return self._numbered(self.fates.messages, places)

    def lines(self) -> pa.Array:
        """Write the lines: no issued id and no code, and a message with the number of the row."""
        which = pa.array(self.told.fate_of)
        before = joined(self.fates.before(), "", "").take(which)
        told = self._numbered(cells(self.fates.messages), np.arange(len(self)))
        times = self.fates.times.take(which)
        return joined(numbers(self.rows), numbers(self.customers), before, told, times)

    def _numbered(self, texts: pa.Array, places: Places) -> pa.Array:
        parts = pc.split_pattern(texts, _NUMBER, max_splits=1)
        before, behind = (pc.list_element(parts, at).take(self.told.fate_of[places]) for at in (0, 1))
        return joined(before, numbers(self.repeated[places]), behind, by="")


def duplicates_of(originals: RowLines, rows: RowNumbers) -> DuplicateLines:
    """Say what became of rows that repeat others, each the row at its place among those."""
    fates = originals.fates
    words = zip(fates.outcomes.tolist(), fates.messages.to_pylist(), strict=True)
    messages = [f"repeats row {_NUMBER}{_which_is(OUTCOMES[code], message)}" for code, message in words]
    repeating = fates.saying(
        np.full(len(fates), code_of(Outcome.DUPLICATE), dtype=np.int8),
        codes=texts_of([""] * len(fates)),
        messages=texts_of(messages),
    )
    return DuplicateLines(
        rows=rows,
        customers=originals.customers,
        told=Told(fates=repeating, fate_of=originals.told.fate_of),
        repeated=originals.rows,
    )


def _which_is(outcome: Outcome, message: str) -> str:
    """Say of a repeated row what its duplicate should tell."""
    if outcome in _NEVER_ISSUED:
        return f", which is {outcome.replace('_', ' ')}"
    return f", which is {message}" if outcome is Outcome.ALREADY_ISSUED else ""


def in_order(some: Sequence[NumberedLines]) -> pa.Array:
    """Return lines, each under its row number, in order of the rows."""
    given = [(rows, lines) for rows, lines in some if len(rows)]
    if len(given) <= 1:
        return given[0][1] if given else texts_of([])
    rows = np.concatenate([rows for rows, _ in given])
    lines = pa.concat_arrays([lines for _, lines in given])
    is_in_order = bool((rows[1:] > rows[:-1]).all())
    return lines if is_in_order else lines.take(np.argsort(rows, kind="stable"))
