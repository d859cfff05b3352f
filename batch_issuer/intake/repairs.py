"""Repairs what spreadsheets do to cells without changing what they mean, and counts each repair."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from batch_issuer.batch.requests import OWNER_TYPES
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
    ends_in_zero = pc.ends_with(bare, ".0")
    if pc.any(ends_in_zero).as_py():
        ends_in_zero = pc.match_substring_regex(bare, r"^[0-9]+\.0$")
    repaired = pc.if_else(ends_in_zero, pc.utf8_slice_codeunits(bare, 0, -2), bare)
    made = {
        BLANKS: pc.not_equal(trimmed, cells),
        APOSTROPHE: has_apostrophe,
        DECIMAL_ZERO: ends_in_zero,
    }
    return repaired, +Counter({name: int(np.asarray(mask).sum()) for name, mask in made.items()})


def repair_groups(
    read: Mapping[str, pa.StringArray], *, timezone: ZoneInfo
) -> tuple[dict[str, pa.StringArray], npt.NDArray[np.int64]]:
    """Return columns besides the customer's id in the form that is sent, and how many cells had blanks."""
    sent = {name: pc.utf8_trim_whitespace(cells) for name, cells in read.items()}
    had_blanks = [np.asarray(pc.not_equal(sent[name], cells)) for name, cells in read.items()]
    blanks = np.asarray(np.sum(had_blanks, axis=0, dtype=np.int64))
    sent["badge_meta_id"] = pc.utf8_lower(sent["badge_meta_id"])
    sent["owner_type"] = _map_distinct(sent["owner_type"], lambda o: _OWNER_SPELLING.get(o.casefold(), o))
    sent["issue_event_date"] = _map_distinct(
        sent["issue_event_date"], lambda date: read_instant(date, timezone=timezone) or date
    )
    return sent, blanks


def _map_distinct(cells: pa.Array, change: Callable[[str], str]) -> pa.Array:
    """Change each distinct text once: these columns repeat a few of them over many rows."""
    encoded = cells.dictionary_encode()
    changed = [change(text) if text else text for text in encoded.dictionary.to_pylist()]
    return pa.array(changed, pa.string()).take(encoded.indices)
