"""Reads the cells of slices of a sheet, with the library that knows texts, numbers and dates."""

import re
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Final

from python_calamine import CalamineError, CalamineWorkbook

from batch_issuer.errors import InputRefused
from batch_issuer.intake.workbooks.package import Package, damaged
from batch_issuer.intake.workbooks.slices import Slice

Cell = int | float | str | bool | date | datetime | time | timedelta
Row = tuple[int, list[Cell]]

_SCHEMAS: Final = "http://schemas.openxmlformats.org"
_OFFICE: Final = f"{_SCHEMAS}/officeDocument/2006/relationships"
_TYPES: Final = f'<Types xmlns="{_SCHEMAS}/package/2006/content-types"/>'
_LIST: Final = re.compile(rb"<(?:[\w.-]+:)?(?:sst|numFmts|fonts|fills|borders|cellStyleXfs|cellXfs)\b[^>]*>")
_COUNT: Final = re.compile(rb"""\s(?:uniqueCount|count)\s*=\s*(?:"[^"]*"|'[^']*')""")
_BOOK: Final = (
    f'<workbook xmlns="{_SCHEMAS}/spreadsheetml/2006/main" xmlns:r="{_OFFICE}">'
    '<workbookPr date1904="{0:d}"/>'
    '<sheets><sheet name="cells" sheetId="1" r:id="worksheet"/></sheets></workbook>'
)


def read_slices(package: Package, slices: Iterable[Slice]) -> Iterator[tuple[Slice, Iterator[Row]]]:
    """Yield each slice with its rows under their numbers. Raises InputRefused where they can't be read."""
    looked_up = {"styles.xml": package.formats, "sharedStrings.xml": package.texts}
    present = {name: _without_counts(package.read(part)) for name, part in looked_up.items() if part}
    book = _BOOK.format(package.counts_from_1904).encode()
    for piece in slices:
        with _as_workbook({"workbook.xml": book, **present, "worksheet.xml": piece.document}) as path:
            yield piece, _rows(path, package.name)


def _without_counts(content: bytes) -> bytes:
    """Leave out how many entries a list has: the library would reserve memory for any number that is told."""
    return _LIST.sub(lambda tag: _COUNT.sub(b"", tag[0]), content)


def _rows(path: Path, name: str) -> Iterator[Row]:
    try:
        with CalamineWorkbook.from_path(path) as book:
            sheet = book.get_sheet_by_index(0)
            top, left = sheet.start or (0, 0)
            values = sheet.to_python(skip_empty_area=True)
    except CalamineError as exc:
        raise InputRefused(damaged(name)) from exc
    except BaseException as exc:
        if type(exc).__name__ == "PanicException":  # what the library did not expect; it has no other name
            raise InputRefused(damaged(name)) from exc
        raise
    margin: list[Cell] = [""] * left
    for number, row in enumerate(values, top + 1):
        yield number, margin + row


@contextmanager
def _as_workbook(parts: Mapping[str, bytes]) -> Iterator[Path]:
    """Write the parts of a workbook of one sheet to a file, for as long as it is read."""
    with tempfile.TemporaryDirectory(prefix="batch-issuer-") as folder:
        path = Path(folder) / "slice.xlsx"
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("[Content_Types].xml", _TYPES)
            file.writestr("_rels/.rels", _relations({"officeDocument": "xl/workbook.xml"}))
            file.writestr("xl/_rels/workbook.xml.rels", _relations({Path(part).stem: part for part in parts}))
            for part, content in parts.items():
                file.writestr(f"xl/{part}", content)
        yield path


def _relations(parts: Mapping[str, str]) -> str:
    listed = (
        f'<Relationship Id="{kind}" Type="{_OFFICE}/{kind}" Target="{part}"/>' for kind, part in parts.items()
    )
    return f'<Relationships xmlns="{_SCHEMAS}/package/2006/relationships">{"".join(listed)}</Relationships>'
