"""Builders of Excel workbooks: by a real writer, and part by part for what no real writer does."""

import io
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import xlsxwriter
from xlsxwriter.workbook import Workbook as Written
from xlsxwriter.worksheet import Worksheet

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
BOOK = (
    f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}">'
    '<sheets><sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>'
)


def save(
    path: Path,
    rows: Iterable[Sequence[Any]],
    change: Callable[[Written, Worksheet], object] = lambda _book, _sheet: None,
    **options: Any,
) -> Path:
    """Write rows of texts, numbers, booleans and dates to the first sheet, then let `change` do the rest."""
    with xlsxwriter.Workbook(str(path), options) as book:
        sheet = book.add_worksheet("Customers")
        day, moment = (book.add_format({"num_format": form}) for form in ("d mmm yyyy", "yyyy-mm-dd hh:mm"))
        clock = book.add_format({"num_format": "hh:mm"})
        formats = {datetime: moment, date: day, time: clock}
        for at, row in enumerate(rows):
            for column, cell in enumerate(row):
                if type(cell) in formats:
                    sheet.write_datetime(at, column, cell, formats[type(cell)])
                elif isinstance(cell, str):
                    sheet.write_string(at, column, cell)
                elif cell is not None:
                    sheet.write(at, column, cell)
        change(book, sheet)
    return path


def parts_of(sheet: str, **others: str) -> dict[str, str]:
    """Return the parts of a small workbook around the XML of its sheet."""
    relation = '<Relationship Id="rId{}" Type="' + OFFICE + '/{}" Target="{}"/>'
    listed = [
        relation.format(1, "worksheet", "worksheets/sheet1.xml"),
        relation.format(2, "sharedStrings", "sharedStrings.xml"),
        relation.format(3, "styles", "styles.xml"),
    ]
    root = relation.format(1, "officeDocument", "xl/workbook.xml")
    return {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": f'<Relationships xmlns="{RELATIONS}">{root}</Relationships>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{RELATIONS}">{"".join(listed)}</Relationships>',
        "xl/workbook.xml": BOOK,
        "xl/worksheets/sheet1.xml": sheet,
        **others,
    }


def sheet_of(cells: str) -> str:
    """Return the XML of a sheet with these rows."""
    return f'<?xml version="1.0"?><worksheet xmlns="{MAIN}"><sheetData>{cells}</sheetData></worksheet>'


def pack(path: Path, parts: Mapping[str, str | bytes]) -> Path:
    """Zip parts to a file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return path


def rows_of_text(rows: Mapping[int, Sequence[str]]) -> str:
    """Return the XML of rows of plain texts under their numbers."""
    text = io.StringIO()
    for number, cells in rows.items():
        text.write(f'<row r="{number}">')
        for at, cell in enumerate(cells):
            text.write(f'<c r="{chr(65 + at)}{number}" t="inlineStr"><is><t>{cell}</t></is></c>')
        text.write("</row>")
    return text.getvalue()
