"""Tells kinds of spreadsheet files apart and opens each."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Final

from batch_issuer.errors import InputRefused, UsageError
from batch_issuer.intake.advice import SAVE_AS_XLSX, UNLOCK
from batch_issuer.intake.dialect import detect_dialect
from batch_issuer.intake.sheets import Limits, Sheet, SheetOptions
from batch_issuer.intake.text_sheet import TextSheet

_ZIP: Final = b"PK\x03\x04"
"""How every XLSX file begins."""
_OLE: Final = b"\xd0\xcf\x11\xe0"
"""How files of old Office programs begin, and protected ones of new programs, which hide in such a file."""
_OTHERS: Final = (
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
)
"""What people take for a spreadsheet now and then, by how it begins."""
_PROTECTED: Final = "EncryptedPackage".encode("utf-16-le")
_PART: Final = 1 << 20
_PARQUET: Final = (b"PAR1", b"PARE")
"""How Parquet files begin and end, the latter where all of the file is encrypted."""


class FileKind(StrEnum):
    """The kinds of files that are read, each by the ending that our copies of it have."""

    TEXT = "csv"
    WORKBOOK = "xlsx"
    PARQUET = "parquet"


def open_sheet(path: Path, options: SheetOptions, limits: Limits, *, name: str) -> Sheet:
    """Look at a file's kind and how it is written; messages call it `name`.

    Raises InputRefused for a file that is no spreadsheet, and UsageError where it can't be read, or for an
    option that has no meaning for its kind.
    """
    start = _start_of(path)
    try:
        _refuse_other_kinds(path, start, name)
        kind = _kind_of(path, start)
        if kind is FileKind.WORKBOOK:
            return _open_workbook(path, options, limits, name)
        if options.sheet is not None:
            what = "a Parquet" if kind is FileKind.PARQUET else "a text"
            raise UsageError(f"--sheet is for Excel workbooks; {name} is {what} file, which has one sheet")
        if kind is FileKind.PARQUET:
            return _open_parquet(path, options, limits, name)
        return TextSheet(path=path, name=name, dialect=detect_dialect(path, options), limits=limits)
    except OSError as exc:
        raise UsageError(f"the input file {path} can't be read ({exc.strerror})") from exc


def kind_of(path: Path) -> FileKind:
    """Tell the kind of a file by how it begins: any zip file is a workbook. Raises UsageError."""
    try:
        return _kind_of(path, _start_of(path))
    except OSError as exc:
        raise UsageError(f"the input file {path} can't be read ({exc.strerror})") from exc


def _kind_of(path: Path, start: bytes) -> FileKind:
    if start == _ZIP:
        return FileKind.WORKBOOK
    return FileKind.PARQUET if start in _PARQUET and _goes_on_as_parquet(path, start) else FileKind.TEXT


def _goes_on_as_parquet(path: Path, start: bytes) -> bool:
    """Tell a Parquet file, or the beginning of one, from text that begins by chance alike."""
    with path.open("rb") as file:
        file.seek(len(start))
        following = file.read(1)
        is_binary = bool(following) and following not in b"\t\r\n" and following < b" "
        file.seek(-len(start), os.SEEK_END)
        return is_binary or file.read() == start


def _start_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(len(_ZIP))
    except OSError as exc:
        raise UsageError(f"the input file {path} can't be read ({exc.strerror})") from exc


def _open_parquet(path: Path, options: SheetOptions, limits: Limits, name: str) -> Sheet:
    if options.encoding is not None or options.delimiter is not None:
        raise UsageError(f"--encoding and --delimiter are for text files; {name} is a Parquet file")
    # the library for Parquet is loaded where there is such a file
    from batch_issuer.intake.parquet.sheet import ParquetSheet  # noqa: PLC0415

    return ParquetSheet(path=path, name=name, limits=limits)


def _open_workbook(path: Path, options: SheetOptions, limits: Limits, name: str) -> Sheet:
    if options.encoding is not None or options.delimiter is not None:
        raise UsageError(f"--encoding and --delimiter are for text files; {name} is an Excel workbook")
    # the library for workbooks is loaded where there is one
    from batch_issuer.intake.workbooks.workbook import Workbook  # noqa: PLC0415

    return Workbook(path, name=name, sheet=options.sheet, limits=limits)


def _refuse_other_kinds(path: Path, start: bytes, name: str) -> None:
    if start == _PARQUET[1] and _kind_of(path, start) is FileKind.PARQUET:
        raise InputRefused(f"{name} is an encrypted Parquet file; write it without encryption")
    other = next((what for begins, what in _OTHERS if start.startswith(begins)), None)
    if other is not None:
        raise InputRefused(f"{name} is {other}, not a spreadsheet")
    if start != _OLE:
        return
    if _holds(path, _PROTECTED):
        raise InputRefused(f"{name} is protected by a password; {UNLOCK}")
    raise InputRefused(f"{name} is an old Excel workbook (.xls), or another old Office file; {SAVE_AS_XLSX}")


def _holds(path: Path, wanted: bytes) -> bool:
    with path.open("rb") as file:
        kept = b""
        while part := file.read(_PART):
            if wanted in kept + part:
                return True
            kept = part[-len(wanted) :]
    return False
