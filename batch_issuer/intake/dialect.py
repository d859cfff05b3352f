"""How a text file is written: its encoding and separator, found out from its bytes or told by the user."""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from batch_issuer.errors import UsageError
from batch_issuer.intake.advice import SAVE_AS_CSV
from batch_issuer.intake.sheets import SheetOptions

UTF_16: Final = f"is written in UTF-16 without a byte order mark; {SAVE_AS_CSV}"

PARSED_CHARS: Final = 131_072
"""The csv module stops at larger cells: an open quote must not take in a whole file before it shows."""

_DELIMITERS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes"}
_DELIMITER_NAMES: Final = {
    **{delimiter: delimiter for delimiter in _DELIMITERS},
    "comma": ",",
    "semicolon": ";",
    "tab": "\t",
    "pipe": "|",
}
_ENCODINGS: Final = {"utf-8-sig": "UTF-8", "utf-16": "UTF-16", "cp1252": "Windows-1252"}
_ENCODING_NAMES: Final = {
    "utf8": "utf-8-sig",
    "utf8sig": "utf-8-sig",
    "utf16": "utf-16",
    "cp1252": "cp1252",
    "windows1252": "cp1252",
}
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEPARATOR_LINE: Final = re.compile(r"\ufeff?\"?sep=([,;|\t])\"?\r?\n?", re.IGNORECASE)
_LETTER: Final = re.compile("[\u0080-\ud7ff\ue000-\U0010ffff]")
_ESCAPED_BYTE: Final = re.compile("[\udc80-\udcff]")
_PART: Final = 1 << 20
_SAMPLE_CHARS: Final = 1 << 16
_SAMPLE_ROWS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """Encoding and separator of one file."""

    encoding: str = "utf-8-sig"
    delimiter: str = ","
    has_separator_line: bool = False
    """The first line is `sep=;` or the like: Excel shows the header as row 1, and so do we."""

    @property
    def encoding_name(self) -> str:
        """The encoding as people call it."""
        return _ENCODINGS[self.encoding]

    @property
    def encoding_inside(self) -> str:
        """How text is decoded that does not begin where the file does: a mark there is a part of a cell."""
        return "utf-8" if self.encoding == "utf-8-sig" else self.encoding

    @property
    def is_divisible(self) -> bool:
        """Tell whether quotes and line ends are single bytes, which no other letter holds."""
        return self.encoding != "utf-16"

    def __str__(self) -> str:
        line = ', after a line "sep="' if self.has_separator_line else ""
        return f"{self.encoding_name}, separated by {_DELIMITERS[self.delimiter]}{line}"


def detect_dialect(path: Path, options: SheetOptions) -> Dialect:
    """Say how a file is written; the same bytes always give the same answer.

    A byte order mark tells the encoding. Without one, a file that is UTF-8 from its first byte to its last is
    UTF-8, and so is one with any letter written in UTF-8: bytes that are none damage it. Any other is
    Windows-1252. The separator is the one that parts most columns of the header, and those of
    the rows behind it alike. Raises UsageError for an option that names nothing we know.
    """
    with path.open("rb") as file:
        start = file.read(_PART)
    encoding = _named_encoding(options.encoding) or _found_encoding(path, start)
    sample = _sample(path, encoding)
    line = _SEPARATOR_LINE.match(sample)
    told = _named_delimiter(options.delimiter) or (line[1] if line else None)
    rest = sample[line.end() :] if line else sample
    return Dialect(
        encoding=encoding, delimiter=told or _found_delimiter(rest), has_separator_line=line is not None
    )


def check_names(options: SheetOptions) -> None:
    """Raise UsageError for an encoding or a delimiter that we don't know."""
    _named_encoding(options.encoding)
    _named_delimiter(options.delimiter)


def _named_encoding(name: str | None) -> str | None:
    if name is None:
        return None
    found = _ENCODING_NAMES.get(re.sub(r"[\s_-]", "", name).casefold())
    if found is None:
        raise UsageError(f"--encoding {name!r} is not known; use utf-8, utf-16 or windows-1252")
    return found


def _named_delimiter(name: str | None) -> str | None:
    if name is None:
        return None
    found = _DELIMITER_NAMES.get(name if name in _DELIMITERS else name.strip().casefold())
    if found is None:
        raise UsageError(f"--delimiter {name!r} is not known; use comma, semicolon, tab or pipe")
    return found


def _found_encoding(path: Path, start: bytes) -> str:
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding
    # letter frequencies, as libraries guess by, tell little of a list of numbers with a name here and there
    return "utf-8-sig" if _is_utf_8(path) else "cp1252"


def _is_utf_8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    has_strangers = False
    with path.open("rb") as file:
        while part := file.read(_PART):
            if part.isascii() and not decoder.getstate()[0]:
                continue
            text = decoder.decode(part)
            if _LETTER.search(text):
                return True
            has_strangers = has_strangers or _ESCAPED_BYTE.search(text) is not None
    return not has_strangers and not decoder.getstate()[0]


def _sample(path: Path, encoding: str) -> str:
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        return file.read(_SAMPLE_CHARS)


def _found_delimiter(sample: str) -> str:
    """Choose the separator with the most columns in the header that most rows have, too."""
    return max(_DELIMITERS, key=lambda delimiter: _merit(sample, delimiter))


def _merit(sample: str, delimiter: str) -> tuple[bool, float, int]:
    rows = [row for row in _rows(sample, delimiter) if any(cell.strip() for cell in row)]
    if not rows:
        return False, 0.0, 0
    width = len(rows[0])
    alike = sum(len(row) == width for row in rows[1:]) / max(1, len(rows) - 1)
    return width > 1, width * (0.5 + alike), width


def _rows(sample: str, delimiter: str) -> Sequence[Sequence[str]]:
    def read() -> Iterator[Sequence[str]]:
        reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
        try:
            for _, row in zip(range(_SAMPLE_ROWS), reader, strict=False):
                yield row
        except csv.Error:
            return

    return list(read())


def guess_other_delimiter(header: list[str]) -> str | None:
    """Name the separator that a one-column header seems to use instead of the one that was told."""
    if len(header) != 1:
        return None
    return next((delimiter for delimiter in _DELIMITERS if delimiter in header[0]), None)
