"""What cells look like, as tables: for each column shapes, of which the first that fits a cell decides.

A shape is tried on a whole column of Arrow text at once, and only on the cells that no earlier one fits.
"""

import difflib
import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from batch_issuer.batch.problems import Rule
from batch_issuer.batch.requests import OWNER_TYPES
from batch_issuer.intake.instants import is_instant
from batch_issuer.intake.sheets import CellKind
from batch_issuer.intake.text_arrays import text_bytes

MAX_REFERENCE_CHARS: Final = 128
NOT_CALCULATED: Final = "#NOT CALCULATED"
"""What stands for the value of a formula that no spreadsheet has ever worked out."""
_SPREADSHEET_ERROR: Final = (
    r"(?i)#(N/A|DIV/0!|REF!|VALUE!|NAME\?|NUM!|NULL!|SPILL!|CALC!|FIELD!|BLOCKED!|CONNECT!|UNKNOWN!|BUSY!"
    r"|GETTING_DATA|ERROR!)"
)
"""What Excel, LibreOffice and Google Sheets show where a formula has failed."""
_FIRST_PRINTABLE, _BEHIND_PRINTABLE = 0x20, 0x7F

Mask = npt.NDArray[np.bool_]
Fits = Callable[[pa.Array], Mask]


class Finding(NamedTuple):
    """Why a cell is refused, and a hint where the rule's own wording is not enough."""

    rule: Rule
    hint: str = ""


class Shape(NamedTuple):
    """Cells that look alike, and why they are refused; None where they are right."""

    fits: Fits
    finding: Finding | None
    hint: Callable[[str], str] | None = None
    """What else to say of one cell, where that depends on its text."""


def first_fitting(cells: pa.Array, shapes: Sequence[Shape]) -> npt.NDArray[np.intp]:
    """Say for each cell which shape is the first that fits it; the last must fit every cell."""
    which = np.empty(len(cells), dtype=np.intp)
    left = np.arange(len(cells))
    for number, shape in enumerate(shapes):
        fits = shape.fits(cells)
        which[left[fits]] = number
        left = left[~fits]
        if not len(left):
            break
        if fits.any():
            cells = cells.filter(pa.array(~fits))
    return which


def whole(pattern: str) -> Fits:
    """Fit cells that are all of a pattern, in the regular expressions of Arrow."""
    anchored = f"^(?:{pattern})$"
    return lambda cells: np.asarray(pc.match_substring_regex(cells, anchored))


def anything(cells: pa.Array) -> Mask:
    """Fit every cell."""
    return np.ones(len(cells), dtype=np.bool_)


def empty(cells: pa.Array) -> Mask:
    """Fit cells without any text."""
    return np.asarray(pc.equal(pc.binary_length(cells), 0))


def failed(pattern: str) -> Fits:
    """Fit what a spreadsheet shows for a formula that has no value."""
    fits = whole(pattern)

    def fits_failed(cells: pa.Array) -> Mask:
        begins = np.asarray(pc.starts_with(cells, "#"))
        return fits(cells) if begins.any() else begins

    return fits_failed


def holds(is_meant: Callable[[str], bool]) -> Fits:
    """Fit cells that hold a character of some kind, which is not visible ASCII; each is looked at once."""

    def fits_holding(cells: pa.Array) -> Mask:
        content = text_bytes(cells)
        is_visible = (content >= _FIRST_PRINTABLE) & (content < _BEHIND_PRINTABLE)
        met = set() if is_visible.all() else set("".join(cells.to_pylist()))
        meant = [char for char in met if is_meant(char)]
        if not meant:
            return np.zeros(len(cells), dtype=np.bool_)
        return np.asarray(pc.match_substring_regex(cells, f"[{''.join(map(_written, meant))}]"))

    return fits_holding


def each_distinct(is_meant: Callable[[str], bool]) -> Fits:
    """Fit cells by what Python says of their text; each distinct text is looked at once."""

    def fits_each(cells: pa.Array) -> Mask:
        texts = cells.dictionary_encode()
        meant = np.array([is_meant(text) for text in texts.dictionary.to_pylist()], dtype=np.bool_)
        fits: Mask = meant[np.asarray(texts.indices)]
        return fits

    return fits_each


def _written(char: str) -> str:
    return f"\\x{{{ord(char):x}}}"


def _is_control(char: str) -> bool:
    return unicodedata.category(char) == "Cc"


def _is_invisible(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cf"}


def _is_foreign_digit(char: str) -> bool:
    return char.isnumeric() and not char.isascii()


def _is_too_long(cells: pa.Array) -> Mask:
    return np.asarray(pc.greater(pc.utf8_length(cells), MAX_REFERENCE_CHARS))


def _is_owner_type(cells: pa.Array) -> Mask:
    return np.asarray(pc.is_in(cells, pa.array(["", *OWNER_TYPES], cells.type)))


def _nearest_owner_type(cell: str) -> str:
    spelled = {owner.casefold(): owner for owner in OWNER_TYPES}
    near = difflib.get_close_matches(cell.casefold().replace(" ", "_"), spelled, n=1)
    return f"did you mean {spelled[near[0]]}?" if near else f"they are {', '.join(OWNER_TYPES)}"


def _of_failed_formulas(rule: Rule) -> tuple[Shape, ...]:
    """Name the rule that a failed formula breaks in a column."""
    never = "its formula was never worked out: open the file in Excel, and save it"
    return (
        Shape(failed(f"(?i){NOT_CALCULATED}"), Finding(rule, never)),
        Shape(failed(_SPREADSHEET_ERROR), Finding(rule, "its formula failed")),
    )


_DATED: Final = "the spreadsheet made a date of it"
_OPAQUE: Final = "it holds a list, a record or bytes"
MISLED: Final = {
    ("customer_id", CellKind.DATE): Finding(Rule.NOT_A_NUMBER, _DATED),
    ("badge_meta_id", CellKind.DATE): Finding(Rule.PATTERN, _DATED),
    ("owner_type", CellKind.DATE): Finding(Rule.UNKNOWN_OWNER_TYPE, _DATED),
    ("reference_id", CellKind.DATE): Finding(Rule.DIGITS_LOST, _DATED),
    ("customer_id", CellKind.ROUNDED): Finding(Rule.DIGITS_LOST),
    ("badge_meta_id", CellKind.ROUNDED): Finding(Rule.DIGITS_LOST),
    ("reference_id", CellKind.ROUNDED): Finding(Rule.DIGITS_LOST),
    ("customer_id", CellKind.OPAQUE): Finding(Rule.NOT_A_NUMBER, _OPAQUE),
    ("badge_meta_id", CellKind.OPAQUE): Finding(Rule.PATTERN, _OPAQUE),
    ("owner_type", CellKind.OPAQUE): Finding(Rule.UNKNOWN_OWNER_TYPE, _OPAQUE),
    ("reference_id", CellKind.OPAQUE): Finding(Rule.MISSING, _OPAQUE),
    ("issue_event_date", CellKind.OPAQUE): Finding(Rule.NOT_A_DATE, _OPAQUE),
}
"""Cells that are refused for what they held, whatever their text looks like."""
_MARKS: Final = {CellKind.DATE: "#DATE ", CellKind.ROUNDED: "#ROUNDED ", CellKind.OPAQUE: "#NO TEXT "}


def marked(text: str, column: str, kind: CellKind) -> str:
    """Write a cell as text that is refused for what the cell held, if that is refused."""
    return f"{_MARKS[kind]}{text}" if (column, kind) in MISLED else text


def _of_marked_cells(column: str) -> tuple[Shape, ...]:
    """Name the rules that cells break which `marked` wrote."""
    return tuple(
        Shape(failed(f"(?is){mark}.*"), MISLED[column, kind])
        for kind, mark in _MARKS.items()
        if (column, kind) in MISLED
    )


WRONG_CUSTOMER_IDS: Final = (
    *_of_marked_cells("customer_id"),
    *_of_failed_formulas(Rule.NOT_A_NUMBER),
    Shape(empty, Finding(Rule.MISSING)),
    Shape(holds(_is_invisible), Finding(Rule.CONTROL_CHARACTER)),
    Shape(holds(_is_foreign_digit), Finding(Rule.NON_ASCII_DIGITS)),
    Shape(whole(r"[+-]?[0-9]+([.,][0-9]+)?[eE][+-]?[0-9]+"), Finding(Rule.DIGITS_LOST)),
    Shape(whole(r"[+\x{2212}\x{2013}-][ \p{Z}]?[0-9].*"), Finding(Rule.SIGN)),
    Shape(whole(r"0|[1-9][0-9]*"), Finding(Rule.OUT_OF_RANGE)),
    Shape(whole(r"0[0-9]+"), Finding(Rule.LEADING_ZERO)),
    Shape(
        whole(r"[0-9]{1,3}(,[0-9]{3})+|[0-9]+([.,' _\x{a0}\x{2009}\x{202f}/-][0-9]+){2,}"),
        Finding(Rule.SEPARATORS),
    ),
    Shape(whole(r"[0-9]+[' _\x{a0}\x{2009}\x{202f}/-][0-9]+"), Finding(Rule.SEPARATORS)),
    Shape(whole(r"[0-9]*[.,][0-9]*"), Finding(Rule.FRACTION)),
    Shape(anything, Finding(Rule.NOT_A_NUMBER)),
)
"""What a customer id that is none looks like."""


@cache
def shapes_of(column: str, badge_pattern: str) -> tuple[Shape, ...]:
    """Return the shapes of one column besides the customer's id, for one pattern of badge ids."""
    # a pattern may be written in capitals, but other alphabets' digits and letters are never meant
    badge = re.compile(badge_pattern, re.ASCII | re.IGNORECASE)
    return {
        "badge_meta_id": (
            *_of_marked_cells("badge_meta_id"),
            *_of_failed_formulas(Rule.PATTERN),
            Shape(empty, Finding(Rule.MISSING)),
            Shape(each_distinct(lambda cell: badge.fullmatch(cell) is not None), None),
            Shape(holds(_is_invisible), Finding(Rule.CONTROL_CHARACTER)),
            Shape(whole(r"[0-9]+([.,][0-9]+)?e\+[0-9]+"), Finding(Rule.DIGITS_LOST)),
            Shape(anything, Finding(Rule.PATTERN)),
        ),
        "owner_type": (
            *_of_marked_cells("owner_type"),
            *_of_failed_formulas(Rule.UNKNOWN_OWNER_TYPE),
            Shape(_is_owner_type, None),
            Shape(anything, Finding(Rule.UNKNOWN_OWNER_TYPE), _nearest_owner_type),
        ),
        "reference_id": (
            *_of_marked_cells("reference_id"),
            *_of_failed_formulas(Rule.MISSING),
            Shape(holds(_is_control), Finding(Rule.CONTROL_CHARACTER)),
            Shape(_is_too_long, Finding(Rule.TOO_LONG)),
            Shape(anything, None),
        ),
        "issue_event_date": (
            *_of_marked_cells("issue_event_date"),
            *_of_failed_formulas(Rule.NOT_A_DATE),
            # repaired cells hold an instant in UTC; what could not be read was left as it is
            Shape(each_distinct(lambda cell: not cell or is_instant(cell)), None),
            Shape(anything, Finding(Rule.NOT_A_DATE)),
        ),
    }[column]
