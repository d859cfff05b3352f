"""What became of the rows of executed requests: the outcome rule, asked once for each kind of reply."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from batch_issuer.batch.outcomes import Reply, RowOutcome, ServerError, Settlement, row_outcome
from batch_issuer.batch.requests import CustomerIds
from batch_issuer.batch.stages import Stage
from batch_issuer.ledger.replies import ReplyColumns, unpack_columns
from batch_issuer.reports.cells import protected_cells, texts_of
from batch_issuer.reports.fates import EACH_REPLY_DECIDES, Fates, Places, code_of

_WHOLE: Final = ServerError(code="\0")
"""Stands for the error of a request as a whole."""
_NOT_NAMED, _NOTHING_SAID, _HAS_ID, _HAS_ERROR = range(4)
"""Kinds of replies; from the last on there is one for each error."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Told:
    """Some rows: row `i` has the fate at `fate_of[i]`, and the issued id `issued_ids[i]`, as a cell."""

    fates: Fates
    fate_of: Places
    issued_ids: pa.Array | None = None
    """None where nothing is issued."""


def tell(fates: Fates, which: Places, customers: CustomerIds, replies: Sequence[bytes | None]) -> Told:
    """Say what became of customers of some requests: `customers[i]` belongs to the request `which[i]`.

    `fates` is what each request says as a whole, and `replies` what it says of each customer, packed.
    """
    is_executed = fates.outcomes == EACH_REPLY_DECIDES
    if not is_executed.any():
        return Told(fates=fates, fate_of=which)
    executed = np.flatnonzero(is_executed)
    given, counts = unpack_columns([replies[n] or _NO_REPLIES for n in executed.tolist()])
    places = find_pairs(which, customers, np.repeat(executed, counts), given.customers)
    issued_ids = given.issued_ids.take(pa.array(places, mask=places < 0))
    kinds = np.where(is_executed[which], _kinds(given, places, issued_ids), 0)
    many = _HAS_ERROR + len(given.errors)
    keys = pa.array(which * many + kinds).dictionary_encode()
    distinct = keys.dictionary.to_numpy()
    told = _said(fates.take(distinct // many), distinct % many, given.errors)
    fate_of = keys.indices.to_numpy()
    is_issued = kinds == _HAS_ID
    shown = issued_ids if is_issued.all() else pc.if_else(pa.array(is_issued), issued_ids, "")
    return Told(fates=told, fate_of=fate_of, issued_ids=protected_cells(shown))


_NO_REPLIES: Final = ReplyColumns.of(()).pack()


def _kinds(given: ReplyColumns, places: Places, issued_ids: pa.Array) -> Places:
    has_id = pc.fill_null(pc.greater(pc.binary_length(issued_ids), 0), fill_value=False).to_numpy(
        zero_copy_only=False
    )
    kinds = np.where(has_id, _HAS_ID, _NOTHING_SAID)
    errors = np.append(given.error_of, -1)[places]  # -1 finds the last
    kinds = np.where(errors >= 0, _HAS_ERROR + errors, kinds)
    return np.where(places < 0, _NOT_NAMED, kinds)


def _said(fates: Fates, kinds: Places, errors: Sequence[ServerError]) -> Fates:
    """Let each kind of reply speak where a request leaves it to them."""
    outcomes = [_outcome(kind, errors) for kind in range(_HAS_ERROR + len(errors))]
    leaves_it = fates.outcomes == EACH_REPLY_DECIDES
    words = np.array([code_of(one.outcome) for one in outcomes], dtype=np.int8)[kinds]
    has_own = leaves_it & np.array([one.error != _WHOLE for one in outcomes])[kinds]
    codes, messages = (
        pc.if_else(pa.array(has_own), texts_of(own).take(kinds), whole)
        for own, whole in (
            ([one.error.code for one in outcomes], fates.codes),
            ([one.error.message for one in outcomes], fates.messages),
        )
    )
    return fates.saying(np.where(leaves_it, words, fates.outcomes), codes=codes, messages=messages)


def _outcome(kind: int, errors: Sequence[ServerError]) -> RowOutcome:
    """Ask the outcome rule about a kind of reply."""
    error = errors[kind - _HAS_ERROR] if kind >= _HAS_ERROR else None
    reply = Reply(customer_id=0, issued_id="id" if kind == _HAS_ID else None, error=error)
    named = {} if kind == _NOT_NAMED else {0: reply}
    return row_outcome(
        Stage.SUBMITTED, Settlement(outcome=None, is_final=True, error=_WHOLE, replies=named), 0
    )


def find_pairs(
    which: Places, customers: CustomerIds, among_which: Places, among_customers: CustomerIds
) -> Places:
    """Return where each pair of request and customer stands among others, which are distinct, or -1."""
    found = _find(customers, among_customers)
    is_elsewhere = found >= 0
    is_elsewhere[is_elsewhere] = among_which[found[is_elsewhere]] != which[is_elsewhere]
    if is_elsewhere.any():  # the customer stands in several requests: look for both
        distinct = pa.array(among_customers).unique().to_numpy()
        asked = which[is_elsewhere] * len(distinct) + _find(customers[is_elsewhere], distinct)
        found[is_elsewhere] = _find(asked, among_which * len(distinct) + _find(among_customers, distinct))
    return found


def _find(values: Places, among: Places) -> Places:
    """Return where each value first stands among others, or -1."""
    found = pc.fill_null(pc.index_in(pa.array(values), value_set=pa.array(among)), -1)
    return np.array(found, dtype=np.int64)
