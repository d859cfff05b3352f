"""Repairs what spreadsheets do to cells without changing what they mean, and counts each repair."""

from collections import Counter
from collections.abc import Callable
from typing import Final
from zoneinfo import ZoneInfo

import pandas as pd

from batch_issuer.batch.requests import OWNER_TYPES
from batch_issuer.intake.columns import COLUMNS, Columns, unprotect
from batch_issuer.intake.instants import read_instant
from batch_issuer.intake.sheets import RawBlock

BLANKS: Final = "surrounding blanks"
APOSTROPHE: Final = "leading '"
DECIMAL_ZERO: Final = "trailing .0"
_OWNER_SPELLING: Final = {owner.casefold(): owner for owner in OWNER_TYPES}


def frame_of(block: RawBlock, columns: Columns) -> pd.DataFrame:
    """Lay the known columns of some rows out as text, indexed by row number.

    A missing or empty cell takes the value given for the whole file, or stays empty.
    """
    return pd.DataFrame(
        {name: _column(block, columns, name) for name in COLUMNS},
        index=pd.Index(block.numbers, dtype="uint32", name="row"),
        dtype="str",
    )


def _column(block: RawBlock, columns: Columns, name: str) -> list[str]:
    at = columns.positions.get(name)
    default = columns.defaults.get(name, "")
    if at is None:
        return [default] * len(block.numbers)
    cells = [record[at] if at < len(record) else "" for record in block.cells]
    if columns.added:
        cells = [unprotect(cell) for cell in cells]
    if default:
        cells = [cell if cell.strip() else default for cell in cells]
    return cells


def repair(frame: pd.DataFrame, *, timezone: ZoneInfo) -> tuple[pd.DataFrame, Counter[str]]:
    """Return the frame with every cell in the form that is sent, and how often each repair was made."""
    counts: Counter[str] = Counter()
    repaired = {}
    for name in COLUMNS:
        trimmed = frame[name].str.strip()
        counts[BLANKS] += int((trimmed != frame[name]).sum())
        repaired[name] = trimmed
    repaired["customer_id"] = _repair_customer_ids(repaired["customer_id"], counts)
    repaired["badge_meta_id"] = repaired["badge_meta_id"].str.lower()
    repaired["owner_type"] = _map_distinct(
        repaired["owner_type"], lambda o: _OWNER_SPELLING.get(o.casefold(), o)
    )
    repaired["issue_event_date"] = _map_distinct(
        repaired["issue_event_date"], lambda date: read_instant(date, timezone=timezone) or date
    )
    return pd.DataFrame(repaired), +counts


def _repair_customer_ids(cells: "pd.Series[str]", counts: Counter[str]) -> "pd.Series[str]":
    bare = cells.str.removeprefix("'").str.strip()
    counts[APOSTROPHE] += int(cells.str.startswith("'").sum())
    ends_in_zero = bare.str.fullmatch(r"[0-9]+\.0")
    counts[DECIMAL_ZERO] += int(ends_in_zero.sum())
    return bare.where(~ends_in_zero, bare.str.removesuffix(".0"))


def _map_distinct(cells: "pd.Series[str]", change: Callable[[str], str]) -> "pd.Series[str]":
    """Change each distinct value once: these columns repeat a few values over many rows."""
    changed = {value: change(value) if value else value for value in cells.unique()}
    return cells.map(changed).astype("str")
