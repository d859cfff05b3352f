"""What became of rows that were left to other batches, as it stands there now."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from batch_issuer.batch.ids import BatchId
from batch_issuer.batch.outcomes import Outcome, row_outcome
from batch_issuer.batch.requests import CustomerIds, RowNumbers
from batch_issuer.batch.stages import Stage
from batch_issuer.ledger import RequestRecord, RequestRows
from batch_issuer.ledger.held_rows import iterate_carriers, load_held_rows
from batch_issuer.reports.fates import Fates, Places, code_of, outcomes_among
from batch_issuer.reports.lines import RowLines
from batch_issuer.reports.replied import Told

_ROWS_AT_ONCE: Final = 100_000
_IN_VAIN: Final = frozenset({Outcome.REJECTED, Outcome.ISSUE_FAILED, Outcome.FAILED, Outcome.NOT_SENT})
"""What makes our row no success, where it became of the other one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldFate:
    """What became of rows that were left to another batch, by the request that carries them there."""

    batch: BatchId
    record: RequestRecord
    outcome: Outcome
    is_pruned: bool = False
    """Whether that batch was pruned: it can't be taken up again."""

    @property
    def is_in_vain(self) -> bool:
        """Whether the other batch has not issued it, and does nothing more about it by itself."""
        return self.outcome in _IN_VAIN

    @property
    def message(self) -> str:
        """Name the other batch, and say where it has not issued the row."""
        known = f"issued or under way in batch {self.batch}"
        return f"{known}, but {self._what_now()}" if self.is_in_vain else known

    def _what_now(self) -> str:
        match self.outcome:
            case Outcome.NOT_SENT:
                return f"not sent there yet: `batch-issuer resume {self.batch}` sends it"
            case Outcome.FAILED if self.record.is_retriable and self.is_pruned:
                return "failed there: issue it in a file of its own where it is still wanted"
            case Outcome.FAILED if self.record.is_retriable:
                return f"failed there: `batch-issuer retry {self.batch}` sends it again"
            case Outcome.FAILED:
                return "failed there, perhaps after it was executed: check its request with the platform"
            case _:
                word = self.outcome.replace("_", " ")
                return f"{word} there: issue it in a file of its own where it is still wanted"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeldLines(RowLines):
    """Rows that were left to other batches."""

    is_in_vain: npt.NDArray[np.bool_]
    """Of each fate, whether the other batch has not issued it, and does nothing more about it by itself."""

    def worth_a_look(self, fine: frozenset[Outcome]) -> Places:
        """Return the places of the rows with other outcomes than some, and of those left in vain."""
        return self._places(self.is_in_vain | ~outcomes_among(self.fates.outcomes, fine))

    def count_in_vain(self) -> int:
        """Count the rows that the other batch has not issued."""
        return int(self.is_in_vain[self.told.fate_of].sum())


class HeldAccounts:
    """The held rows of one batch, looked up by input row; the other batches are read anew for each look."""

    def __init__(self, connection: Connection, batch: BatchId) -> None:
        """Read which request held which row."""
        self._connection = connection
        self._held = load_held_rows(connection, batch)

    @property
    def end(self) -> int:
        """The number behind the last held row."""
        return int(self._held.rows[-1:].sum()) + 1

    def between(self, first: int, end: int) -> RowNumbers:
        """Return the held rows from one number to before another."""
        start, stop = np.searchsorted(self._held.rows, [first, end])
        return self._held.rows[start:stop]

    def holds(self, rows: RowNumbers) -> npt.NDArray[np.bool_]:
        """Tell which of some rows are held."""
        return np.isin(rows, self._held.rows)

    def account(self, rows: RowNumbers) -> HeldLines:
        """Say what became of rows that are held. Raises AssertionError where nothing carries one any more."""
        places = np.searchsorted(self._held.rows, rows)
        fates, fate_of = self._look(places)
        if (fate_of < 0).any():
            raise AssertionError(f"row {rows[fate_of < 0][0]} is held by a request that is not there")
        return HeldLines(
            rows=rows,
            customers=self._held.customers[places],
            told=Told(fates=_fates(fates), fate_of=fate_of),
            is_in_vain=np.array([fate.is_in_vain for fate in fates], dtype=np.bool_),
        )

    def count_in_vain(self) -> int:
        """Count the held rows that the other batch has not issued, in blocks."""
        rows = self._held.rows
        starts = range(0, len(rows), _ROWS_AT_ONCE)
        return sum(self.account(rows[at : at + _ROWS_AT_ONCE]).count_in_vain() for at in starts)

    def _look(self, places: npt.NDArray[np.intp]) -> tuple[list[HeldFate], npt.NDArray[np.int64]]:
        """Look some held rows up where they are carried now."""
        holders = self._held.holders[places]
        order = np.argsort(holders, kind="stable")
        distinct, starts = np.unique(holders[order], return_index=True)
        request_ids = [self._held.request_ids[n] for n in distinct.tolist()]
        own = dict(zip(request_ids, np.split(order, starts[1:]), strict=True)) if request_ids else {}
        fates: list[HeldFate] = []
        fate_of = np.full(len(places), -1, dtype=np.int64)
        for carrier in iterate_carriers(self._connection, request_ids):
            here = own[carrier.holder]
            customers = self._held.customers[places[here]]
            is_carried = np.isin(customers, carrier.request.customers)
            for outcome, is_so in _outcomes(carrier.request, customers[is_carried]):
                fate_of[here[is_carried][is_so]] = len(fates)
                fates.append(
                    HeldFate(
                        batch=carrier.batch,
                        record=carrier.request.record,
                        outcome=outcome,
                        is_pruned=carrier.is_pruned,
                    )
                )
        return fates, fate_of


def _outcomes(
    request: RequestRows, customers: CustomerIds
) -> Iterator[tuple[Outcome, npt.NDArray[np.bool_]]]:
    """Yield the outcomes of some customers of a request, each with whose it is."""
    stage, settlement = request.record.stage, request.settlement
    asked = customers if stage is Stage.SUBMITTED and settlement.outcome is None else customers[:1]
    became = np.array(
        [row_outcome(stage, settlement, one).outcome for one in asked.tolist()], dtype=np.object_
    )
    for outcome in dict.fromkeys(became.tolist()):
        yield outcome, np.broadcast_to(became == outcome, len(customers))


def _fates(held: Sequence[HeldFate]) -> Fates:
    records = [fate.record for fate in held]
    return Fates.of_records(
        records,
        outcomes=np.full(len(held), code_of(Outcome.ALREADY_ISSUED), dtype=np.int8),
        messages=[fate.message for fate in held],
    )
