"""Which customers a request holds: nobody else may send them the same group."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from batch_issuer.batch.ids import RequestId
from batch_issuer.batch.outcomes import Outcome, Settlement, row_outcome
from batch_issuer.batch.requests import CustomerIds, Group, RowNumbers
from batch_issuer.batch.stages import Stage


def is_held(stage: Stage, settlement: Settlement, customer_id: int) -> bool:
    """Tell whether a customer of a request has what it issues, may have it, or may get it yet."""
    match stage, row_outcome(stage, settlement, customer_id).outcome:
        case Stage.SPLIT | Stage.RETRIED, _:  # other requests own its rows
            return False
        case Stage.REFUSED, _:
            return False
        case _, Outcome.REJECTED | Outcome.ISSUE_FAILED:
            return False
        case _, Outcome.FAILED:  # without a definite refusal (5xx, 809) it may have run
            return not settlement.is_definite
        case _:  # issued, pending, in doubt, unaccounted, still to be sent
            return True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OtherRequest:
    """A request of another batch, which may hold customers of a new file."""

    request_id: RequestId
    group: Group
    customers: CustomerIds
    stage: Stage
    settlement: Callable[[], Settlement]
    """Read only where a customer of the new file is concerned: replies take time."""

    def held_among(self, customers: CustomerIds) -> npt.NDArray[np.bool_]:
        """Say for each of some customers of this request whether it holds them."""
        settlement = self.settlement()
        if self.stage is Stage.SUBMITTED and settlement.outcome is None:
            # most replies name no error, and only an error can let a customer go
            refused = {reply.customer_id for reply in settlement.replies.values() if reply.error is not None}
            each = [n not in refused or is_held(self.stage, settlement, n) for n in customers.tolist()]
            return np.array(each, dtype=np.bool_)
        one_word_for_all = is_held(self.stage, settlement, int(customers[0]))
        return np.full(len(customers), one_word_for_all)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeldRows:
    """Rows whose customer another batch holds: row `rows[i]` by the request `request_ids[holders[i]]`.

    They are in input order.
    """

    rows: RowNumbers
    customers: CustomerIds
    holders: npt.NDArray[np.int32]
    request_ids: tuple[RequestId, ...]

    def __len__(self) -> int:
        return len(self.rows)


NOTHING_HELD: Final = HeldRows(
    rows=np.empty(0, np.uint32),
    customers=np.empty(0, np.int64),
    holders=np.empty(0, np.int32),
    request_ids=(),
)
