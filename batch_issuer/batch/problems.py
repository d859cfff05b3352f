"""Input problems: what is wrong with a row, as data, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Rule(StrEnum):
    """Why a row is invalid; the `error_code` of its line in the reconciliation."""

    MISSING = "missing"
    NOT_A_NUMBER = "not_a_number"
    DIGITS_LOST = "digits_lost"
    SEPARATORS = "separators"
    LEADING_ZERO = "leading_zero"
    SIGN = "sign"
    FRACTION = "fraction"
    OUT_OF_RANGE = "out_of_range"
    NON_ASCII_DIGITS = "non_ascii_digits"
    CONTROL_CHARACTER = "control_character"
    PATTERN = "pattern"
    UNKNOWN_OWNER_TYPE = "unknown_owner_type"
    OWNER_WITHOUT_REFERENCE = "owner_without_reference"
    REFERENCE_WITHOUT_OWNER = "reference_without_owner"
    TOO_LONG = "too_long"
    NOT_A_DATE = "not_a_date"
    SURPLUS_FIELDS = "surplus_fields"
    BADGE = "badge"


WORDING: Final[dict[Rule, tuple[str, str]]] = {
    Rule.MISSING: ("is empty", "fill in the cell, or delete the row"),
    Rule.NOT_A_NUMBER: ("is not a whole number", "enter the customer's id in digits only"),
    Rule.DIGITS_LOST: (
        "has lost digits: the spreadsheet rounded a long number",
        "format the column as text, paste the original ids again, and export again",
    ),
    Rule.SEPARATORS: (
        "holds separators between its digits",
        "format the column as text or as a number without separators",
    ),
    Rule.LEADING_ZERO: (
        "starts with a zero and may be another customer's id",
        "look the customer up and enter the id without leading zeros",
    ),
    Rule.SIGN: ("holds a sign", "enter the id in digits only"),
    Rule.FRACTION: ("is not whole", "enter the id without a decimal part"),
    Rule.OUT_OF_RANGE: ("is outside 1 to 9223372036854775807", "check the id"),
    Rule.NON_ASCII_DIGITS: ("is written in other digits than 0 to 9", "type the id again with 0 to 9"),
    Rule.CONTROL_CHARACTER: ("holds an invisible character", "clear the cell and type it again"),
    Rule.PATTERN: (
        "does not look like a badge id (24 of 0-9 and a-f by default)",
        "copy the badge id from the badge's page again",
    ),
    Rule.UNKNOWN_OWNER_TYPE: ("is no owner type", "use one of the owner types in the template's README"),
    Rule.OWNER_WITHOUT_REFERENCE: (
        "stands without a reference_id",
        "fill in reference_id, or clear owner_type: they go together",
    ),
    Rule.REFERENCE_WITHOUT_OWNER: (
        "stands without an owner_type",
        "fill in owner_type, or clear reference_id: they go together",
    ),
    Rule.TOO_LONG: ("is longer than 128 characters", "shorten it"),
    Rule.NOT_A_DATE: ("is not a date", "write it as 2026-01-31 or 2026-01-31T08:15:00Z"),
    Rule.SURPLUS_FIELDS: (
        "the row has more fields than the header has columns",
        "a separator inside a value needs quotes around the value; check the row's cells",
    ),
    Rule.BADGE: ("can't be issued", "use another badge, or have this one put right"),
}

SHOWN_CHARS: Final = 60
"""A message shows so much of a value."""
_LAST_OF_FOUR_DIGITS: Final = 0xFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class InputProblem:
    """One thing wrong with one row of the input."""

    row: int
    column: str
    value: str
    rule: Rule
    hint: str = ""
    """More than the rule's own wording knows, for example the nearest owner type."""

    @property
    def advice(self) -> str:
        """What to do."""
        return _advice(self.rule, self.hint)

    @property
    def message(self) -> str:
        """What is wrong and what to do, without the row number."""
        is_shown = bool(self.value) and shows_value(self.rule)
        before, behind = around_value(self.column, self.rule, self.hint, is_shown=is_shown)
        return f"{before}{shown(self.value)}{behind}" if is_shown else f"{before}{behind}"


def shows_value(rule: Rule) -> bool:
    """Tell whether a message shows the value of a cell, where there is one."""
    return rule is not Rule.SURPLUS_FIELDS


def around_value(column: str, rule: Rule, hint: str, *, is_shown: bool) -> tuple[str, str]:
    """Return what a message says before and behind the value that it may show."""
    what, advice = WORDING[rule][0], _advice(rule, hint)
    if not shows_value(rule):
        return "", f"{what}; {advice}"
    if rule is Rule.MISSING and is_shown:
        what = "holds an error of the spreadsheet, and no value"
    return (f"{column} '", f"' {what}; {advice}") if is_shown else (column, f" {what}; {advice}")


def shown(value: str) -> str:
    """Write a value for a message: short, on one line, with invisible characters spelled out."""
    text = "".join(char if char.isprintable() else _escaped(char) for char in value[: SHOWN_CHARS + 1])
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}…"


def _advice(rule: Rule, hint: str) -> str:
    advice = WORDING[rule][1]
    return f"{advice} ({hint})" if hint else advice


def _escaped(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) <= _LAST_OF_FOUR_DIGITS else f"\\U{ord(char):08x}"
