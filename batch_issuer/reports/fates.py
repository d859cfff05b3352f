"""Fates of rows in columns, each once for all rows that share it: their lines differ in ids alone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from batch_issuer.batch.outcomes import Outcome, Settlement, row_outcome
from batch_issuer.batch.stages import Stage
from batch_issuer.ledger import RequestRecord
from batch_issuer.ledger.request_columns import RequestColumns
from batch_issuer.reports.cells import cells, ended, joined, numbers, protected_cells, texts_of

OUTCOMES: Final = tuple(Outcome)
_CODE_OF: Final = {outcome: code for code, outcome in enumerate(OUTCOMES)}
_WORDS: Final = texts_of([outcome.value for outcome in OUTCOMES])
EACH_REPLY_DECIDES: Final = -1
"""Stands for the outcome of a request that was executed."""

Places = npt.NDArray[np.integer]
Outcomes = npt.NDArray[np.int8]


def code_of(outcome: Outcome) -> int:
    """Return the place of an outcome in `OUTCOMES`."""
    return _CODE_OF[outcome]


def outcomes_among(outcomes: Outcomes, wanted: frozenset[Outcome]) -> npt.NDArray[np.bool_]:
    """Tell which outcomes are among some."""
    return np.isin(outcomes, [_CODE_OF[outcome] for outcome in wanted])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fates:
    """Some fates: the request that speaks for the rows, as cells of their lines, and what it says."""

    badges: pa.Array
    names: pa.Array
    """The cells from `request_id` to `state`."""
    times: pa.Array
    """The cells from `attempts` to the end of the line."""
    outcomes: Outcomes
    """Places in `OUTCOMES`, or EACH_REPLY_DECIDES."""
    codes: pa.Array
    messages: pa.Array
    """As they were told: no cells yet."""

    @classmethod
    def of(cls, requests: RequestColumns) -> Self:
        """Take what requests say of their rows as a whole."""
        words = zip(requests.stage, requests.outcome, strict=True)
        return cls(
            badges=cells(texts_of(requests.badge_meta_id)),
            names=_names(requests.request_id, requests.workflow_request_id, requests.state),
            times=_times(requests.attempts, requests.submitted_at, requests.updated_at),
            outcomes=np.array([_whole(stage, outcome) for stage, outcome in words], dtype=np.int8),
            codes=texts_of(requests.error_code),
            messages=texts_of(requests.error_message),
        )

    @classmethod
    def of_records(
        cls, records: Sequence[RequestRecord], *, outcomes: Outcomes, messages: Sequence[str]
    ) -> Self:
        """Let requests speak for rows of which something else is told."""
        return cls(
            badges=cells(texts_of([record.group.badge_meta_id for record in records])),
            names=_names(
                [record.request_id for record in records],
                [record.workflow_request_id or "" for record in records],
                [record.state for record in records],
            ),
            times=_times(
                [record.attempts for record in records],
                [record.submitted_at for record in records],
                [record.updated_at for record in records],
            ),
            outcomes=outcomes,
            codes=texts_of([""] * len(records)),
            messages=texts_of(messages),
        )

    def __len__(self) -> int:
        """Return how many fates these are."""
        return len(self.outcomes)

    def take(self, places: Places) -> Self:
        """Return the fates at some places."""
        return replace(
            self,
            badges=self.badges.take(places),
            names=self.names.take(places),
            times=self.times.take(places),
            outcomes=self.outcomes[places],
            codes=self.codes.take(places),
            messages=self.messages.take(places),
        )

    def saying(self, outcomes: Outcomes, *, codes: pa.Array, messages: pa.Array) -> Self:
        """Return the same requests with other words."""
        return replace(self, outcomes=outcomes, codes=codes, messages=messages)

    def before(self) -> pa.Array:
        """Write the cells between the customer and the issued id."""
        return joined(self.badges, _WORDS.take(self.outcomes), self.names)

    def behind(self) -> pa.Array:
        """Write the cells behind the issued id, and the end of the line."""
        return joined(protected_cells(self.codes), protected_cells(self.messages), self.times)

    def told(self) -> pa.Array:
        """Write each error as one text."""
        has_both = pc.and_(pc.not_equal(self.codes, ""), pc.not_equal(self.messages, ""))
        return joined(self.codes, pc.if_else(has_both, " ", ""), self.messages, by="")

    def count(self, fate_of: Places) -> Counter[Outcome]:
        """Count the rows that have these fates by outcome."""
        counted: Counter[Outcome] = Counter()
        rows = np.bincount(fate_of, minlength=len(self)).tolist()
        for code, count in zip(self.outcomes.tolist(), rows, strict=True):
            counted[OUTCOMES[code]] += count
        return +counted


def joined_fates(some: Sequence[Fates]) -> Fates:
    """Return fates one behind the other."""
    return Fates(
        badges=pa.concat_arrays([one.badges for one in some]),
        names=pa.concat_arrays([one.names for one in some]),
        times=pa.concat_arrays([one.times for one in some]),
        outcomes=np.concatenate([one.outcomes for one in some]),
        codes=pa.concat_arrays([one.codes for one in some]),
        messages=pa.concat_arrays([one.messages for one in some]),
    )


@cache
def _whole(stage: str, outcome: str) -> int:
    """Say in which word a request speaks for all of its rows."""
    if stage == Stage.SUBMITTED and not outcome:
        return EACH_REPLY_DECIDES
    settlement = Settlement(outcome=Outcome(outcome) if outcome else None, is_final=False)
    return _CODE_OF[row_outcome(Stage(stage), settlement, 0).outcome]


def _names(ids: Sequence[str], workflow_ids: Sequence[str], states: Sequence[str]) -> pa.Array:
    server_words = (protected_cells(texts_of(words)) for words in (workflow_ids, states))
    return joined(cells(texts_of(ids)), *server_words)


def _times(attempts: Sequence[int], submitted: Sequence[str], updated: Sequence[str]) -> pa.Array:
    end = ended(texts_of(updated))
    return joined(numbers(np.array(attempts, dtype=np.int64)), texts_of(submitted), end)
