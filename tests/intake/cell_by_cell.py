"""The rules of the input once more, in plain Python for one cell at a time: columns must equal it."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final
from zoneinfo import ZoneInfo

from batch_issuer.batch.problems import Rule
from batch_issuer.batch.requests import OWNER_TYPES
from batch_issuer.intake.instants import read_instant

Problems = list[tuple[str, str, Rule]]
"""Column, value and rule."""

_UTC: Final = ZoneInfo("UTC")
_OWNERS: Final = {owner.casefold(): owner for owner in OWNER_TYPES}
_ID_SHAPES: Final = (
    (Rule.DIGITS_LOST, r"[+-]?[0-9]+([.,][0-9]+)?[eE][+-]?[0-9]+"),
    (Rule.SIGN, "[+\u2212\u2013-]\\s?[0-9].*"),
    (Rule.OUT_OF_RANGE, r"0|[1-9][0-9]*"),
    (Rule.LEADING_ZERO, r"0[0-9]+"),
    (Rule.SEPARATORS, r"[0-9]{1,3}(,[0-9]{3})+|[0-9]+([.,' _\u00a0\u2009\u202f/-][0-9]+){2,}"),
    (Rule.SEPARATORS, r"[0-9]+[' _\u00a0\u2009\u202f/-][0-9]+"),
    (Rule.FRACTION, r"[0-9]*[.,][0-9]*"),
)
_FAILED: Final = re.compile(r"#(N/A|REF!|VALUE!|NAME\?|NOT CALCULATED)", re.IGNORECASE)


def sent_for(cells: Mapping[str, str]) -> dict[str, str]:
    """Repair the cells of one row."""
    sent = {name: cell.strip() for name, cell in cells.items()}
    bare = sent["customer_id"].removeprefix("'").strip()
    sent["customer_id"] = bare[:-2] if re.fullmatch(r"[0-9]+\.0", bare) else bare
    sent["badge_meta_id"] = sent["badge_meta_id"].lower()
    sent["owner_type"] = _OWNERS.get(sent["owner_type"].casefold(), sent["owner_type"])
    date = sent["issue_event_date"]
    sent["issue_event_date"] = read_instant(date, timezone=_UTC) or date
    return sent


def problems_of(sent: Mapping[str, str]) -> Problems:
    """Say all that is wrong with one repaired row, in order."""
    rules = {
        "customer_id": [_of_customer_id(sent["customer_id"])],
        "badge_meta_id": [_of_badge(sent["badge_meta_id"])],
        "owner_type": [_of_owner_type(sent["owner_type"])],
        "reference_id": [_of_reference_id(sent["reference_id"])],
        "issue_event_date": [_of_date(sent["issue_event_date"])],
    }
    if sent["owner_type"] and not sent["reference_id"]:
        rules["owner_type"].append(Rule.OWNER_WITHOUT_REFERENCE)
    if sent["reference_id"] and not sent["owner_type"]:
        rules["reference_id"].append(Rule.REFERENCE_WITHOUT_OWNER)
    return [(column, sent[column], rule) for column, broken in rules.items() for rule in broken if rule]


def _of_customer_id(cell: str) -> Rule | None:
    if re.fullmatch("[1-9][0-9]{0,18}", cell) and int(cell) < 2**63:
        return None
    if not cell:
        return Rule.MISSING
    if _has(cell, "Cc", "Cf"):
        return Rule.CONTROL_CHARACTER
    if any(char.isnumeric() and not char.isascii() for char in cell):
        return Rule.NON_ASCII_DIGITS
    shapes = (rule for rule, shape in _ID_SHAPES if re.fullmatch(shape, cell))
    return next(shapes, Rule.NOT_A_NUMBER)


def _of_badge(cell: str) -> Rule | None:
    if not cell:
        return Rule.MISSING
    if re.fullmatch("[0-9a-f]{24}", cell, re.ASCII | re.IGNORECASE):
        return None
    if _has(cell, "Cc", "Cf"):
        return Rule.CONTROL_CHARACTER
    return Rule.DIGITS_LOST if re.fullmatch(r"[0-9]+([.,][0-9]+)?e\+[0-9]+", cell) else Rule.PATTERN


def _of_owner_type(cell: str) -> Rule | None:
    return None if not cell or cell in OWNER_TYPES else Rule.UNKNOWN_OWNER_TYPE


def _of_reference_id(cell: str) -> Rule | None:
    if _FAILED.fullmatch(cell):
        return Rule.MISSING
    if _has(cell, "Cc"):
        return Rule.CONTROL_CHARACTER
    return Rule.TOO_LONG if len(cell) > 128 else None


def _of_date(cell: str) -> Rule | None:
    return None if not cell or read_instant(cell, timezone=_UTC) == cell else Rule.NOT_A_DATE


def _has(cell: str, *categories: str) -> bool:
    return any(unicodedata.category(char) in categories for char in cell)
