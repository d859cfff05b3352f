"""What became of rows that were left to other batches, as it stands there now."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from batch_issuer.batch.ids import BatchId, RequestId
from batch_issuer.batch.outcomes import Outcome, row_outcome
from batch_issuer.batch.requests import RowNumbers
from batch_issuer.ledger import RequestRecord
from batch_issuer.ledger.held_rows import Carrier, iterate_carriers, load_held_rows

_ROWS_AT_ONCE: Final = 20_000
_IN_VAIN: Final = frozenset({Outcome.REJECTED, Outcome.ISSUE_FAILED, Outcome.FAILED, Outcome.NOT_SENT})
"""What makes our row no success, where it became of the other one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRow:
    """A row that was left to another batch: the request that carries its customer there, and its outcome."""

    customer_id: int
    batch: BatchId
    record: RequestRecord
    outcome: Outcome

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
            case Outcome.FAILED if self.record.is_retriable:
                return f"failed there: `batch-issuer retry {self.batch}` sends it again"
            case Outcome.FAILED:
                return "failed there, perhaps after it was executed: check its request with the platform"
            case _:
                word = self.outcome.replace("_", " ")
                return f"{word} there: issue it in a file of its own where it is still wanted"


class HeldAccounts:
    """The held rows of one batch, looked up by input row; the other batches are read anew for each look."""

    def __init__(self, connection: Connection, batch: BatchId) -> None:
        """Read which request held which row."""
        self._connection = connection
        self._held = load_held_rows(connection, batch)

    def account(self, rows: RowNumbers) -> Mapping[int, HeldRow]:
        """Return those of some input rows that are held."""
        held = self._held
        if not len(held):
            return {}
        at = np.searchsorted(held.rows, rows)
        at[at == len(held)] = 0
        return self._look(np.unique(at[held.rows[at] == rows]))

    def count_in_vain(self) -> int:
        """Count the held rows that the other batch has not issued, in blocks."""
        blocks = (
            np.arange(start, min(start + _ROWS_AT_ONCE, len(self._held)))
            for start in range(0, len(self._held), _ROWS_AT_ONCE)
        )
        return sum(row.is_in_vain for block in blocks for row in self._look(block).values())

    def _look(self, places: npt.NDArray[np.intp]) -> dict[int, HeldRow]:
        """Look some held rows up where they are carried now."""
        held = self._held
        wanted: dict[RequestId, list[int]] = defaultdict(list)
        for place, holder in zip(places.tolist(), held.holders[places].tolist(), strict=True):
            wanted[held.request_ids[holder]].append(place)
        found: dict[int, HeldRow] = {}
        for carrier in iterate_carriers(self._connection, list(wanted)):
            found |= dict(self._carried(carrier, wanted[carrier.holder]))
        return found

    def _carried(self, carrier: Carrier, places: list[int]) -> Iterator[tuple[int, HeldRow]]:
        request = carrier.request
        customers = self._held.customers[places]
        is_carried = np.isin(customers, request.customers)
        rows = self._held.rows[places][is_carried]
        for row, customer_id in zip(rows.tolist(), customers[is_carried].tolist(), strict=True):
            outcome = row_outcome(request.record.stage, request.settlement, customer_id).outcome
            yield (
                row,
                HeldRow(customer_id=customer_id, batch=carrier.batch, record=request.record, outcome=outcome),
            )
