"""Files for the user: replaced whole, never half written, and safe to open in a spreadsheet."""

import csv
import io
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

REPORTS: Final = (
    *("summary.json", "reconciliation.csv", "requests.csv", "rejects.csv", "failed.csv"),
    "report.html",
)
"""The names of all files that a batch's reports may be."""
_RUNS_AS_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
Line = Sequence[object]


def protect_original(cell: str) -> str:
    """Protect a cell of the input so that `unprotect` gives it back as it was, `'=1` included."""
    return f"'{cell}" if cell.lstrip("'").startswith(_RUNS_AS_FORMULA) else cell


def protect(cell: str) -> str:
    """Put a `'` before text that a spreadsheet would run as a formula."""
    return f"'{cell}" if cell.startswith(_RUNS_AS_FORMULA) else cell


@contextmanager
def replaced_whole(path: Path) -> Iterator[TextIO]:
    """Write a text file beside its place, and move it there, synced, once it is complete."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        sync_folder(path.parent)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file to a place that shows the former file or the new one, and never a part."""
    with source.open("rb") as original, replaced_whole(target) as file:
        shutil.copyfileobj(original, file.buffer)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def csv_line(cells: Line) -> str:
    """Write cells as one line of CSV, its end included."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue()


class CsvFile:
    """A CSV file that exists only where something is written to it: UTF-8 with BOM, CRLF, RFC 4180."""

    def __init__(self, path: Path, header: Callable[[], Line]) -> None:
        """Remember where it goes; the header is asked for with the first line."""
        self._path = path
        self._header = header
        self.lines = 0

    @contextmanager
    def open(self, *, always: bool) -> Iterator["CsvLines"]:
        """Yield what writes lines. On success the file is there if it has lines, or `always`; else gone."""
        with replaced_whole(self._path) as file:
            file.write("\ufeff" + csv_line(self._header()))
            lines = CsvLines(file)
            yield lines
            self.lines = lines.written
        if not self.lines and not always:
            self._path.unlink()


class CsvLines:
    """Writes lines to an open file, and counts them."""

    def __init__(self, file: TextIO) -> None:
        """Write behind what the file holds already."""
        self._file = file
        self._writer = csv.writer(file, lineterminator="\r\n")
        self.written = 0

    def __call__(self, lines: Iterable[Line]) -> None:
        """Write some lines."""
        for line in lines:
            self._writer.writerow(line)
            self.written += 1

    def content(self, lines: bytes | memoryview, count: int) -> None:
        """Write some lines that are CSV already, in UTF-8."""
        self._file.flush()
        self._file.buffer.write(lines)
        self.written += count

    def sync(self) -> None:
        """Have the disk write what is there, so that less is left for the end."""
        self._file.flush()
        os.fdatasync(self._file.fileno())
