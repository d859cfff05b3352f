"""Files for the user: replaced whole, never half written, and safe to open in a spreadsheet."""

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

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


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class CsvFile:
    """A CSV file that exists only where something is written to it: UTF-8 with BOM, CRLF, RFC 4180."""

    def __init__(self, path: Path, header: Callable[[], Line]) -> None:
        """Remember where it goes; the header is asked for with the first line."""
        self._path = path
        self._header = header
        self.lines = 0

    @contextmanager
    def open(self, *, always: bool) -> Iterator[Callable[[Iterable[Line]], None]]:
        """Yield what writes lines. On success the file is there if it has lines, or `always`; else gone."""
        with replaced_whole(self._path) as file:
            file.write("\ufeff")
            writer = csv.writer(file, lineterminator="\r\n")
            writer.writerow(self._header())

            def write(lines: Iterable[Line]) -> None:
                for line in lines:
                    writer.writerow(line)
                    self.lines += 1

            yield write
        if not self.lines and not always:
            self._path.unlink()
