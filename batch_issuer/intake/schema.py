"""The rules for input cells: a pandera schema finds what breaks them, a table says why and what to do."""

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import pandas as pd
import pandera.pandas as pa

from batch_issuer.batch.badges import BadgeBook, BadgeUse
from batch_issuer.batch.problems import InputProblem, Rule
from batch_issuer.batch.requests import OWNER_TYPES
from batch_issuer.intake.instants import is_instant
from batch_issuer.intake.sheets import CellKind

MAX_CUSTOMER_ID: Final = "9223372036854775807"
MAX_REFERENCE_CHARS: Final = 128
_PLAIN_ID: Final = r"[1-9][0-9]{0,18}"
_BADGE: Final = "the badge can be issued"
BADGE_COLUMNS: Final = ("badge_meta_id", "owner_type", "issue_event_date")
"""What decides whether a row may use its badge."""
_PAIR: Final = "owner_type and reference_id go together"

_ID_SHAPES: Final = (
    (Rule.DIGITS_LOST, re.compile(r"[+-]?[0-9]+([.,][0-9]+)?[eE][+-]?[0-9]+")),
    (Rule.SIGN, re.compile("[+\u2212\u2013-]\\s?[0-9].*")),
    (Rule.OUT_OF_RANGE, re.compile(r"0|[1-9][0-9]*")),
    (Rule.LEADING_ZERO, re.compile(r"0[0-9]+")),
    (Rule.SEPARATORS, re.compile(r"[0-9]{1,3}(,[0-9]{3})+|[0-9]+([.,' _\u00a0\u2009\u202f/-][0-9]+){2,}")),
    (Rule.SEPARATORS, re.compile(r"[0-9]+[' _\u00a0\u2009\u202f/-][0-9]+")),
    (Rule.FRACTION, re.compile(r"[0-9]*[.,][0-9]*")),
)
"""What a customer id that is none looks like; the first shape that fits is the reason."""


_SPREADSHEET_ERROR: Final = re.compile(
    r"#(N/A|DIV/0!|REF!|VALUE!|NAME\?|NUM!|NULL!|SPILL!|CALC!|FIELD!|BLOCKED!|CONNECT!|UNKNOWN!|BUSY!"
    r"|GETTING_DATA|ERROR!)",
    re.IGNORECASE,
)
"""What Excel, LibreOffice and Google Sheets show where a formula has failed."""
NOT_CALCULATED: Final = "#NOT CALCULATED"
"""What stands for the value of a formula that no spreadsheet has ever worked out."""


class Finding(NamedTuple):
    """Why a cell is refused, and a hint where the rule's own wording is not enough."""

    rule: Rule
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRules:
    """The schema and its explanations, for one pattern of badge ids."""

    badge_pattern: str = "[0-9a-f]{24}"
    badges: BadgeBook | None = None
    """What was found out of the badges themselves, where they were looked up."""

    def find_problems(self, frame: pd.DataFrame) -> Iterator[InputProblem]:
        """Yield every problem of a repaired frame (all columns as text, indexed by row number)."""
        try:
            self._schema().validate(frame, lazy=True)
        except pa.errors.SchemaErrors as exc:
            yield from self._explain(frame, exc.failure_cases)

    def explain(self, column: str, cell: str) -> Finding | None:
        """Say why one cell is refused, or None where it is fine."""
        if cell.startswith("#") and (hint := _error_hint(cell)):
            return Finding(_FAILED[column], hint)
        return _EXPLAIN[column](cell) if column in _EXPLAIN else _explain_badge(cell, self.badge_pattern)

    def sound_use(self, use: BadgeUse) -> BadgeUse | None:
        """Leave out of a use what is invalid by itself; None where that is the badge."""
        badge, owner, date = (
            "" if self.explain(column, cell) else cell
            for column, cell in zip(BADGE_COLUMNS, use, strict=True)
        )
        return (badge, owner, date) if badge else None

    def explain_kind(self, column: str, kind: CellKind) -> Finding | None:
        """Say why a cell is refused whatever its text, or None where the text decides."""
        return _MISLED.get((column, kind))

    def _schema(self) -> pa.DataFrameSchema:
        cell_checks = {
            name: pa.Column("str", pa.Check(self._fits(name), name=name))
            for name in ("badge_meta_id", "owner_type", "reference_id", "issue_event_date")
        }
        return pa.DataFrameSchema(
            {"customer_id": pa.Column("str", pa.Check(_is_customer_id, name="customer_id")), **cell_checks},
            checks=[pa.Check(_go_together, name=_PAIR), pa.Check(self._can_be_issued, name=_BADGE)],
        )

    def _can_be_issued(self, frame: pd.DataFrame) -> "pd.Series[bool]":
        """Look at each distinct use of a badge once."""
        can = pd.Series(data=True, index=frame.index)
        if self.badges is not None:
            uses = frame[list(BADGE_COLUMNS)]
            bad = [use for use in distinct_uses(frame) if self.badges.fault(use)]
            can &= ~pd.MultiIndex.from_frame(uses).isin(bad)
        return can

    def _fits(self, column: str) -> Callable[["pd.Series[str]"], "pd.Series[bool]"]:
        """Make a check that looks at each distinct value once."""

        def fits(cells: "pd.Series[str]") -> "pd.Series[bool]":
            return cells.isin([cell for cell in cells.unique() if self.explain(column, cell) is None])

        return fits

    def _explain(self, frame: pd.DataFrame, failures: pd.DataFrame) -> Iterator[InputProblem]:
        is_pair, is_badge = failures["check"] == _PAIR, failures["check"] == _BADGE
        for column, cell, row in failures.loc[
            ~(is_pair | is_badge), ["column", "failure_case", "index"]
        ].itertuples(index=False):
            finding = self.explain(column, cell)
            if finding is None:
                raise AssertionError(f"the schema refuses a {column} that has no explanation")
            yield InputProblem(row=int(row), column=column, value=cell, rule=finding.rule, hint=finding.hint)
        for row in failures.loc[is_pair, "index"].unique():
            owner, reference = frame.loc[row, ["owner_type", "reference_id"]]
            rule = Rule.OWNER_WITHOUT_REFERENCE if owner else Rule.REFERENCE_WITHOUT_OWNER
            column = "owner_type" if owner else "reference_id"
            yield InputProblem(row=int(row), column=column, value=str(owner or reference), rule=rule)
        for row in failures.loc[is_badge, "index"].unique():
            badge, owner, date = frame.loc[row, list(BADGE_COLUMNS)]
            hint = self.badges.fault((badge, owner, date)) if self.badges else ""
            yield InputProblem(row=int(row), column="badge_meta_id", value=badge, rule=Rule.BADGE, hint=hint)


def distinct_uses(frame: pd.DataFrame) -> list[BadgeUse]:
    """Return each use of a badge in a repaired frame once, in order of appearance."""
    distinct = frame[list(BADGE_COLUMNS)].drop_duplicates()
    return [(badge, owner, date) for badge, owner, date in distinct.itertuples(index=False)]


def _is_customer_id(cells: "pd.Series[str]") -> "pd.Series[bool]":
    in_range = (cells.str.len() < len(MAX_CUSTOMER_ID)) | (cells <= MAX_CUSTOMER_ID)
    return cells.str.fullmatch(_PLAIN_ID) & in_range


def _go_together(frame: pd.DataFrame) -> "pd.Series[bool]":
    return (frame["owner_type"] == "") == (frame["reference_id"] == "")


def _explain_customer_id(cell: str) -> Finding | None:
    if re.fullmatch(_PLAIN_ID, cell) and int(cell) <= int(MAX_CUSTOMER_ID):
        return None
    if not cell:
        return Finding(Rule.MISSING)
    if _has_invisible(cell):
        return Finding(Rule.CONTROL_CHARACTER)
    if not cell.isascii() and any(char.isnumeric() and not char.isascii() for char in cell):
        return Finding(Rule.NON_ASCII_DIGITS)
    shapes = (rule for rule, shape in _ID_SHAPES if shape.fullmatch(cell))
    return Finding(next(shapes, Rule.NOT_A_NUMBER))


def _explain_badge(cell: str, pattern: str) -> Finding | None:
    if not cell:
        return Finding(Rule.MISSING)
    # a pattern may be written in capitals, but other alphabets' digits and letters are never meant
    if re.fullmatch(pattern, cell, re.ASCII | re.IGNORECASE):
        return None
    if _has_invisible(cell):
        return Finding(Rule.CONTROL_CHARACTER)
    if re.fullmatch(r"[0-9]+([.,][0-9]+)?e\+[0-9]+", cell):
        return Finding(Rule.DIGITS_LOST)
    return Finding(Rule.PATTERN)


def _explain_owner_type(cell: str) -> Finding | None:
    if not cell or cell in OWNER_TYPES:
        return None
    spelled = {owner.casefold(): owner for owner in OWNER_TYPES}
    near = difflib.get_close_matches(cell.casefold().replace(" ", "_"), spelled, n=1)
    hint = f"did you mean {spelled[near[0]]}?" if near else f"they are {', '.join(OWNER_TYPES)}"
    return Finding(Rule.UNKNOWN_OWNER_TYPE, hint)


def _explain_reference_id(cell: str) -> Finding | None:
    if any(unicodedata.category(char) == "Cc" for char in cell):
        return Finding(Rule.CONTROL_CHARACTER)
    return Finding(Rule.TOO_LONG) if len(cell) > MAX_REFERENCE_CHARS else None


def _explain_issue_event_date(cell: str) -> Finding | None:
    # repaired cells hold an instant in UTC; what could not be read was left as it is
    return None if not cell or is_instant(cell) else Finding(Rule.NOT_A_DATE)


def _error_hint(cell: str) -> str:
    """Say what happened to a formula whose error is all that the cell holds, or nothing for other cells."""
    if cell.casefold() == NOT_CALCULATED.casefold():
        return "its formula was never worked out: open the file in Excel, and save it"
    return "its formula failed" if _SPREADSHEET_ERROR.fullmatch(cell) else ""


def _has_invisible(cell: str) -> bool:
    return not (cell.isascii() and cell.isprintable()) and any(
        unicodedata.category(char) in {"Cc", "Cf"} for char in cell
    )


_EXPLAIN: Final[dict[str, Callable[[str], Finding | None]]] = {
    "customer_id": _explain_customer_id,
    "owner_type": _explain_owner_type,
    "reference_id": _explain_reference_id,
    "issue_event_date": _explain_issue_event_date,
}
_FAILED: Final = {
    "customer_id": Rule.NOT_A_NUMBER,
    "badge_meta_id": Rule.PATTERN,
    "owner_type": Rule.UNKNOWN_OWNER_TYPE,
    "reference_id": Rule.MISSING,
    "issue_event_date": Rule.NOT_A_DATE,
}
"""The rule that a failed formula breaks in each column."""
_DATED: Final = "the spreadsheet made a date of it"
_MISLED: Final = {
    ("customer_id", CellKind.DATE): Finding(Rule.NOT_A_NUMBER, _DATED),
    ("badge_meta_id", CellKind.DATE): Finding(Rule.PATTERN, _DATED),
    ("owner_type", CellKind.DATE): Finding(Rule.UNKNOWN_OWNER_TYPE, _DATED),
    ("reference_id", CellKind.DATE): Finding(Rule.DIGITS_LOST, _DATED),
    ("customer_id", CellKind.ROUNDED): Finding(Rule.DIGITS_LOST),
    ("badge_meta_id", CellKind.ROUNDED): Finding(Rule.DIGITS_LOST),
    ("reference_id", CellKind.ROUNDED): Finding(Rule.DIGITS_LOST),
}
"""Cells that are refused for what they held, whatever their text looks like."""
