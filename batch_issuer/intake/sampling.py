"""Shows how a file begins: its header and first rows, whatever may be wrong with it."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from batch_issuer.errors import InputRefused, UsageError
from batch_issuer.intake.columns import titles_of
from batch_issuer.intake.kinds import FileKind, kind_of, open_sheet
from batch_issuer.intake.sheets import Limits, Sheet, SheetOptions

_GLANCE_BYTES: Final = 1 << 20
"""Of a workbook no larger slice is read for a few rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetSample:
    """How a file begins."""

    form: str = ""
    """How it is written, in words."""
    titles: tuple[str, ...] = ()
    rows: tuple[tuple[int, tuple[str, ...]], ...] = ()
    """The first data rows, each with its number."""
    sheets: tuple[str, ...] = ()
    """The sheets of a workbook; the first of them is the one that is read."""
    refusal: str = ""
    """Why it can't be read, where that is so."""


def sample_sheet(path: Path, options: SheetOptions, limits: Limits, *, name: str, rows: int) -> SheetSample:
    """Read the header and a few rows; what can't be read is told in words."""
    try:
        sheet = _glance_at(path, options, limits, name=name)
        titles = tuple(titles_of(sheet.header()))
    except (InputRefused, UsageError) as exc:
        return SheetSample(refusal=str(exc))
    found: list[tuple[int, tuple[str, ...]]] = []
    refusal = ""
    try:
        for block in islice(sheet.blocks(), 1 if rows else 0):
            first = zip(block.numbers[:rows], block.cells[:rows], strict=True)
            found = [(number, tuple(cells)) for number, cells in first]
    except (InputRefused, UsageError) as exc:
        refusal = str(exc)
    return SheetSample(
        form=sheet.form, titles=titles, rows=tuple(found), sheets=sheets_of(sheet), refusal=refusal
    )


def rows_behind(sheet: Sheet, *, after: int, limit: int) -> list[tuple[int, tuple[str, ...]]]:
    """Return the next rows behind a row, each with its number; all rows before them are passed over.

    Raises InputRefused.
    """
    found: list[tuple[int, tuple[str, ...]]] = []
    for block in sheet.blocks():
        rows = zip(block.numbers, block.cells, strict=True)
        found += [(int(number), tuple(cells)) for number, cells in rows if number > after]
        if len(found) >= limit:
            break
    return found[:limit]


def sheets_of(sheet: Sheet) -> tuple[str, ...]:
    """Name the sheets of a workbook; a text file has none."""
    return tuple(getattr(sheet, "sheets", ()))


def _glance_at(path: Path, options: SheetOptions, limits: Limits, *, name: str) -> Sheet:
    sheet = open_sheet(path, options, limits, name=name)
    if kind_of(path) is not FileKind.WORKBOOK:
        return sheet
    # the library for workbooks is loaded where there is one
    from batch_issuer.intake.workbooks.workbook import Workbook  # noqa: PLC0415

    return Workbook(path, name=name, sheet=options.sheet, limits=limits, slice_bytes=_GLANCE_BYTES)
