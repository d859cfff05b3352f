"""Finds the rows of a plan whose customer another batch holds in the same group."""

from collections.abc import Iterable
from itertools import groupby

import numpy as np
import numpy.typing as npt

from batch_issuer.batch.holding import HeldRows, OtherRequest
from batch_issuer.batch.ids import RequestId
from batch_issuer.planning.chunking import Plan


def find_held(plan: Plan, others: Iterable[OtherRequest]) -> HeldRows:
    """Return the held rows of a plan; of several requests that hold one customer the first counts.

    The others come group by group: the customers of one group at a time are sorted, and no other list
    of customers is kept.
    """
    holders = np.full(plan.customers, -1, dtype=np.int32)
    request_ids: list[RequestId] = []
    parts = plan.parts()
    for group, of_group in groupby(others, key=lambda other: other.group):
        if group in parts:
            part = parts[group]
            _mark(plan.ordered_customers[part], of_group, holders[part], request_ids)
    held = np.flatnonzero(holders >= 0)
    held = held[np.argsort(plan.ordered_rows[held], kind="stable")]
    return HeldRows(
        rows=plan.ordered_rows[held],
        customers=plan.ordered_customers[held],
        holders=holders[held],
        request_ids=tuple(request_ids),
    )


def _mark(
    customers: npt.NDArray[np.int64],
    others: Iterable[OtherRequest],
    holders: npt.NDArray[np.int32],
    request_ids: list[RequestId],
) -> None:
    """Note in `holders` which of the others holds each customer of one group, as a place in `request_ids`."""
    order = np.argsort(customers)
    ascending = customers[order]
    for other in others:
        at = np.searchsorted(ascending, other.customers)
        at[at == len(ascending)] = 0
        known = ascending[at] == other.customers
        places = order[at[known]]
        is_free = holders[places] < 0
        if is_free.any():
            is_held = other.held_among(other.customers[known][is_free])
            if is_held.any():
                holders[places[is_free][is_held]] = len(request_ids)
                request_ids.append(other.request_id)
