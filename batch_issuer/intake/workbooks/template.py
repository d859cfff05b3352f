"""The blank workbook: columns that keep long numbers whole, checks while one types, and an explanation."""

import io
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import xlsxwriter

from batch_issuer.batch.requests import OWNER_TYPES
from batch_issuer.intake.schema import MAX_CUSTOMER_ID
from batch_issuer.intake.shapes import MAX_REFERENCE_CHARS
from batch_issuer.intake.workbooks.package import EXPLANATION

_SHEET: Final = "Customers"
_LAST_ROW: Final = 1_048_575
_MADE: Final = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
"""A fixed date: the same version always writes the same file."""
_BADGE_CHARS: Final = 24
_DIGITS_ONLY: Final = (
    '=AND(ISNUMBER(--A2),ISERROR(SEARCH("e",A2)),ISERROR(FIND(".",A2)),ISERROR(FIND(",",A2)),'
    f'ISERROR(FIND("+",A2)),ISERROR(FIND("-",A2)),LEFT(A2,1)<>"0",LEN(A2)<={len(MAX_CUSTOMER_ID)})'
)


class _Column(NamedTuple):
    name: str
    width: int
    needed: str
    what: str
    example: str
    check: dict[str, Any]


def _stop(kind: str, formula: str, message: str) -> dict[str, Any]:
    return {"validate": kind, "value": formula, "error_title": "Please check", "error_message": message}


def _length(criteria: str, chars: int, message: str) -> dict[str, Any]:
    return {**_stop("length", "", message), "criteria": criteria, "value": chars}


_COLUMNS: Final = (
    _Column(
        "customer_id",
        22,
        "yes",
        "the customer's number, digits only",
        "700000001",
        _stop("custom", _DIGITS_ONLY, "Write the customer's number in digits only, without a leading zero."),
    ),
    _Column(
        "badge_meta_id",
        30,
        "yes",
        f"the badge's id: {_BADGE_CHARS} characters, 0 to 9 and a to f; copy it, don't type it",
        "a1b2c3d4e5f60718293a4b01",
        {
            **_length("==", _BADGE_CHARS, f"A badge id usually has {_BADGE_CHARS} characters."),
            "error_type": "warning",
        },
    ),
    _Column(
        "owner_type",
        22,
        "no",
        "the kind of programme that gives the badge away: choose it from the list in the cell",
        "Loyalty",
        {
            "validate": "list",
            "source": list(OWNER_TYPES),
            "error_title": "Not in the list",
            "error_message": "Choose one of the list, or leave the cell empty.",
        },
    ),
    _Column(
        "reference_id",
        26,
        "with owner_type",
        "which one of them: the reference under which it claimed the badge",
        "gold-tier-2026",
        _length("<=", MAX_REFERENCE_CHARS, f"Use at most {MAX_REFERENCE_CHARS} characters."),
    ),
    _Column(
        "issue_event_date",
        24,
        "no",
        "the day, or the moment, for which the badge is given",
        "2026-03-08",
        {
            **_stop("custom", "=ISNUMBER(DATEVALUE(LEFT(E2,10)))", "Write year-month-day: 2026-03-08."),
            "error_type": "warning",
        },
    ),
)


def template_workbook() -> bytes:
    """Return the blank workbook as a file's content."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        book.set_properties({"title": "Badges to issue", "created": _MADE})
        text, title = book.add_format({"num_format": "@"}), book.add_format({"bold": True, "bottom": 1})
        wrapped = book.add_format({"text_wrap": True, "valign": "top"})
        sheet = book.add_worksheet(_SHEET)
        sheet.freeze_panes(1, 0)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        for at, column in enumerate(_COLUMNS):
            sheet.set_column(at, at, column.width, text)
            sheet.write_string(0, at, column.name, title)
            sheet.data_validation(1, at, _LAST_ROW, at, column.check)
        _explain(book.add_worksheet(EXPLANATION), title, wrapped)
    return content.getvalue()


def _explain(sheet: Any, title: Any, wrapped: Any) -> None:  # noqa: ANN401 - no types
    sheet.hide_gridlines(2)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    for at, width in enumerate((20, 16, 62, 30)):
        sheet.set_column(at, at, width, wrapped)
    sheet.write_row(0, 0, ("column", "needed", "what to write", "for example"), title)
    for row, column in enumerate(_COLUMNS, 1):
        sheet.write_row(row, 0, (column.name, column.needed, column.what, column.example))
    told = (
        f"One row of the sheet {_SHEET} is one customer and one badge. Keep its first row.",
        "Paste with Paste Special > Values, so that columns stay text: a spreadsheet rounds long numbers.",
        "owner_type and reference_id go together: fill in both, or neither.",
        "Columns of your own may stand behind these: they are ignored.",
        "Save the file as it is (.xlsx), then look before you send: batch-issuer validate FILE",
    )
    for row, sentence in enumerate(told, len(_COLUMNS) + 2):
        sheet.merge_range(row, 0, row, 3, sentence, wrapped)
