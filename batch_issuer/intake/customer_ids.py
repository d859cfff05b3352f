"""Reads customer ids: plain numbers at once, and the others after what can be repaired was repaired."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from batch_issuer.batch.problem_columns import NO_PROBLEMS, ProblemColumns
from batch_issuer.batch.requests import CustomerIds
from batch_issuer.intake.repairs import repair_customer_ids
from batch_issuer.intake.schema import InputRules
from batch_issuer.intake.text_arrays import first_bytes, holds_only_digits, text_offsets

_ONE, _NINE = b"19"
_MOST_DIGITS: Final = 18
"""Longer ones may be out of range."""
_PLAIN: Final = "^[1-9][0-9]{0,17}$"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadIds:
    """The ids of some rows: row `i` is of customer `customers[i]`, where `is_right[i]`."""

    customers: CustomerIds
    is_right: npt.NDArray[np.bool_]
    problems: ProblemColumns = NO_PROBLEMS
    """Of the others; their rows count from 0."""
    repairs: Counter[str] = field(default_factory=Counter)


def read_ids(cells: pa.Array, rules: InputRules) -> ReadIds:
    """Read the ids of some rows, repairing what can be repaired."""
    customers, is_plain = plain_ids(cells)
    if is_plain.all():
        return ReadIds(customers=customers, is_right=is_plain)
    rest = np.flatnonzero(~is_plain)
    repaired, repairs = repair_customer_ids(cells.take(pa.array(rest)))
    problems = rules.find_in_ids(repaired)
    mended = np.delete(np.arange(len(rest)), problems.rows)
    customers, is_right = customers.copy(), is_plain.copy()
    customers[rest[mended]] = np.asarray(pc.cast(repaired.take(pa.array(mended)), pa.int64()))
    is_right[rest[mended]] = True
    problems = problems.of_rows(rest[problems.rows].astype(np.uint32))
    return ReadIds(customers=customers, is_right=is_right, problems=problems, repairs=repairs)


def plain_ids(cells: pa.Array) -> tuple[CustomerIds, npt.NDArray[np.bool_]]:
    """Read customer ids that are written as numbers are, and tell which those are."""
    if holds_only_digits(cells):
        lengths, first = np.diff(text_offsets(cells)), first_bytes(cells)
        is_plain = (lengths <= _MOST_DIGITS) & (first >= _ONE) & (first <= _NINE)
    else:
        is_plain = np.asarray(pc.match_substring_regex(cells, _PLAIN))
    # the cast takes its time over what it can't read
    numbers = cells if is_plain.all() else pc.if_else(pa.array(is_plain), cells, "0")
    return np.asarray(pc.cast(numbers, pa.int64())), is_plain
