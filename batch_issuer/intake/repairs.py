"""Repairs what spreadsheets do to cells without changing what they mean, and counts each repair."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from batch_issuer.batch.requests import OWNER_TYPES
from batch_issuer.intake.columns import GROUP_COLUMNS
from batch_issuer.intake.instants import read_instant

BLANKS: Final = "surrounding blanks"
APOSTROPHE: Final = "leading '"
DECIMAL_ZERO: Final = "trailing .0"
_OWNER_SPELLING: Final = {owner.casefold(): owner for owner in OWNER_TYPES}


def repair_customer_ids(cells: pa.Array) -> tuple[pa.Array, Counter[str]]:
    """Return the ids in the form that is sent, and how often each repair was made."""
    trimmed = pc.utf8_trim_whitespace(cells)
    has_apostrophe = pc.starts_with(trimmed, "'")
    bare = pc.utf8_trim_whitespace(pc.utf8_slice_codeunits(trimmed, 1))
    bare = pc.if_else(has_apostrophe, bare, trimmed)
    ends_in_zero = pc.match_substring_regex(bare, r"^[0-9]+\.0$")
    repaired = pc.if_else(ends_in_zero, pc.utf8_slice_codeunits(bare, 0, -2), bare)
    made = {
        BLANKS: pc.not_equal(trimmed, cells),
        APOSTROPHE: has_apostrophe,
        DECIMAL_ZERO: ends_in_zero,
    }
    return repaired, +Counter({name: int(np.asarray(mask).sum()) for name, mask in made.items()})


def repair_groups(
    combinations: Sequence[Sequence[str]], *, timezone: ZoneInfo
) -> tuple[pd.DataFrame, npt.NDArray[np.int64]]:
    """Return cells besides the customer's id in the form that is sent, and how many of a row had blanks."""
    columns = zip(*combinations, strict=True)
    read = {name: pd.Series(cells, dtype="str") for name, cells in zip(GROUP_COLUMNS, columns, strict=True)}
    sent = {name: cells.str.strip() for name, cells in read.items()}
    blanks = sum((sent[name] != read[name]).to_numpy(dtype=np.int64) for name in GROUP_COLUMNS)
    sent["badge_meta_id"] = sent["badge_meta_id"].str.lower()
    sent["owner_type"] = _map_distinct(sent["owner_type"], lambda o: _OWNER_SPELLING.get(o.casefold(), o))
    sent["issue_event_date"] = _map_distinct(
        sent["issue_event_date"], lambda date: read_instant(date, timezone=timezone) or date
    )
    return pd.DataFrame(sent), np.asarray(blanks)


def _map_distinct(cells: "pd.Series[str]", change: Callable[[str], str]) -> "pd.Series[str]":
    """Change each distinct value once: these columns repeat a few values over many rows."""
    changed = {value: change(value) if value else value for value in cells.unique()}
    return cells.map(changed).astype("str")
