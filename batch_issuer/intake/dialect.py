"""How a text file is written: its encoding, its separator, and the kinds of file that are no text."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from batch_issuer.errors import InputRefused

SAVE_AS: Final = 'in Excel choose "Save As", then "CSV UTF-8 (Comma delimited)"'
UTF_16: Final = f"is written in UTF-16; {SAVE_AS}"

_OTHER_KINDS: Final = (
    (b"PK\x03\x04", f"is an Excel workbook (or another zip file); {SAVE_AS}"),
    (b"\xd0\xcf\x11\xe0", f"is an old or a protected Excel workbook; {SAVE_AS}"),
    (b"%PDF", "is a PDF, not a spreadsheet"),
    (b"\xff\xfe", UTF_16),
    (b"\xfe\xff", UTF_16),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """Encoding and separator of one file."""

    encoding: str = "utf-8-sig"
    delimiter: str = ","

    def __str__(self) -> str:
        return "UTF-8, separated by commas"


def detect_dialect(path: Path, *, name: str) -> Dialect:
    """Say how a file is written; for now comma-separated UTF-8, with or without BOM.

    Raises InputRefused for files of another kind, with what to do.
    """
    with path.open("rb") as file:
        start = file.read(4)
    for magic, what in _OTHER_KINDS:
        if start.startswith(magic):
            raise InputRefused(f"{name} {what}")
    return Dialect()


def guess_other_delimiter(header: list[str]) -> str | None:
    """Name the separator that a one-column header seems to use instead of the comma."""
    if len(header) != 1:
        return None
    try:
        return csv.Sniffer().sniff(header[0], delimiters=";\t|").delimiter
    except csv.Error:
        return None
