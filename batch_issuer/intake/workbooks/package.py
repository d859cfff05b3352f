"""The zip file that a workbook is: which sheets it has, and where their parts are."""

import posixpath
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from batch_issuer.errors import InputRefused, UsageError
from batch_issuer.intake.advice import SAVE_AS_CSV, SAVE_AS_XLSX, UNLOCK

EXPLANATION: Final = "How to fill this in"
"""The name of the sheet that explains our template."""

_MAX_PARTS: Final = 10_000
_MAX_CONTENTS: Final = 4 << 20
"""Bytes of a part that lists others: some hundred are usual."""
_MAX_LOOKED_UP: Final = 256 << 20
"""Bytes of texts and formats, which stay in memory while the sheet is read."""
_MAX_SHEET: Final = 2 << 30
"""Bytes of the sheet itself: Excel's 1,048,576 rows of 20 columns take about one."""

_OTHER_KINDS: Final = (
    ("xl/workbook.bin", f"is a binary Excel workbook (.xlsb); {SAVE_AS_XLSX}"),
    ("content.xml", 'is an OpenDocument file; choose "Save As", then "Excel Workbook (.xlsx)" or CSV'),
    ("Index/Document.iwa", 'is an Apple Numbers file; choose "Export To", then "Excel" or "CSV"'),
    ("word/document.xml", "is a Word document, not a spreadsheet"),
    ("ppt/presentation.xml", "is a presentation, not a spreadsheet"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetPart:
    """One sheet of a workbook, and the name of its part in the zip file."""

    name: str
    part: str
    is_hidden: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """An open workbook whose lists of contents were read, and whose sizes are bearable."""

    file: zipfile.ZipFile
    name: str
    sheets: Sequence[SheetPart]
    counts_from_1904: bool
    """Its days are counted as on old Macintoshes."""
    texts: str | None
    """The part with the texts that cells share."""
    formats: str | None
    """The part that tells dates from numbers."""

    def read(self, part: str) -> bytes:
        """Return a part whole."""
        return self.file.read(part)

    def choose(self, wanted: str | None) -> SheetPart:
        """Return the sheet of a name, else the first that can be seen.

        Raises UsageError where there is none of that name, and InputRefused for one that is too large.
        """
        visible = [sheet for sheet in self.sheets if not sheet.is_hidden]
        if wanted is None:
            found = next(iter([*visible, *self.sheets]), None)
            if found is None:
                raise InputRefused(f"{self.name} holds no sheet with cells")
        else:
            found = next((sheet for sheet in self.sheets if _alike(sheet.name, wanted)), None)
            if found is None:
                names = ", ".join(repr(sheet.name) for sheet in self.sheets)
                raise UsageError(f"{self.name} has no sheet {wanted!r}; its sheets are {names}")
        _refuse_larger(self.file, found.part, _MAX_SHEET, self.name)
        return found


@contextmanager
def open_package(path: Path, *, name: str) -> Iterator[Package]:
    """Open a workbook; messages call it `name`.

    Raises InputRefused, with what to do, for another kind of file, a damaged one, and one that would
    unpack to more than a machine should bear; OSError where it can't be read.
    """
    with refused_if_damaged(name), zipfile.ZipFile(path) as file:
        yield _look_into(file, name)


@contextmanager
def refused_if_damaged(name: str) -> Iterator[None]:
    """Turn what a damaged workbook raises into one clear line. Raises InputRefused."""
    try:
        yield
    except NotImplementedError as exc:  # a way of packing that Excel never uses
        raise InputRefused(damaged(name)) from exc
    except RuntimeError as exc:  # so zipfile says that a password is needed
        raise InputRefused(f"{name} is protected by a password; {UNLOCK}") from exc
    except (zipfile.BadZipFile, zlib.error, EOFError, LookupError, ValueError, ET.ParseError) as exc:
        raise InputRefused(damaged(name)) from exc


def damaged(name: str) -> str:
    """Say that a workbook can't be read."""
    return f"{name} is no Excel workbook that can be read, or is damaged; {SAVE_AS_XLSX}"


def _look_into(file: zipfile.ZipFile, name: str) -> Package:
    parts = {part.filename for part in file.infolist()}
    if len(file.infolist()) > _MAX_PARTS:
        raise InputRefused(f"{name} holds more than {_MAX_PARTS:,} parts; {SAVE_AS_CSV}")
    for part, what in _OTHER_KINDS:
        if part in parts:
            raise InputRefused(f"{name} {what}")
    if "[Content_Types].xml" not in parts:
        raise InputRefused(f"{name} is a zip file, not a spreadsheet; unpack it first")
    root = _Contents(file, name, "")
    book = root.first("officeDocument") or "xl/workbook.xml"
    related = _Contents(file, name, book)
    texts, formats = related.first("sharedStrings"), related.first("styles")
    for part in filter(None, (texts, formats)):
        _refuse_larger(file, part, _MAX_LOOKED_UP, name)
    tree = _parse(file, book, name)
    properties = next((node for node in tree.iter() if _local(node.tag) == "workbookPr"), None)
    return Package(
        file=file,
        name=name,
        sheets=tuple(_sheets(tree, related)),
        counts_from_1904=properties is not None and properties.get("date1904") in {"1", "true"},
        texts=texts,
        formats=formats,
    )


class _Contents:
    """What the parts of a workbook that one of them names are, by the list that stands beside it."""

    def __init__(self, file: zipfile.ZipFile, name: str, part: str) -> None:
        folder, base = posixpath.split(part)
        self._present = set(file.namelist())
        self._parts: dict[str, tuple[str, str]] = {}
        listed = posixpath.join(folder, "_rels", f"{base}.rels")
        for node in _parse(file, listed, name).iter():
            if _local(node.tag) == "Relationship" and node.get("TargetMode") != "External":
                target = posixpath.normpath(posixpath.join("/", folder, node.get("Target", "")))
                kind = node.get("Type", "").rpartition("/")[2]
                self._parts[node.get("Id", "")] = kind, target.lstrip("/")

    def first(self, kind: str) -> str | None:
        """Return the first part of a kind that is there."""
        return next((part for k, part in self._parts.values() if k == kind and part in self._present), None)

    def worksheet(self, identity: str) -> str | None:
        """Return the part of a sheet with cells, and None for a chart and the like."""
        kind, part = self._parts.get(identity, ("", ""))
        return part if kind == "worksheet" and part in self._present else None


def _sheets(tree: ET.Element, related: _Contents) -> Iterator[SheetPart]:
    for node in tree.iter():
        if _local(node.tag) != "sheet":
            continue
        identity = next((value for key, value in node.items() if _local(key) == "id"), "")
        part = related.worksheet(identity)
        if part is not None:
            is_hidden = node.get("state", "visible") != "visible"
            yield SheetPart(name=node.get("name", ""), part=part, is_hidden=is_hidden)


def _parse(file: zipfile.ZipFile, part: str, name: str) -> ET.Element:
    _refuse_larger(file, part, _MAX_CONTENTS, name)
    # expat itself stops entities that expand without end, and the part is small
    return ET.fromstring(file.read(part))  # noqa: S314


def _refuse_larger(file: zipfile.ZipFile, part: str, most: int, name: str) -> None:
    # reading never gives more than the size that is told here: a false one shows as damage
    if file.getinfo(part).file_size > most:
        raise InputRefused(f"{name} would unpack to more than {most >> 20:,} MB; {SAVE_AS_CSV}")


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _alike(name: str, wanted: str) -> bool:
    return name.strip().casefold() == wanted.strip().casefold()
