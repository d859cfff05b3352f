"""Parts of a file that can be read each by itself: together they give exactly the rows of the whole."""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from batch_issuer.errors import UsageError

PART_BYTES: Final = 64 << 20
"""About how large a part is by default."""
_READ: Final = 1 << 20


class Digest(Protocol):
    """Takes bytes and gives their digest."""

    def update(self, content: bytes | memoryview, /) -> None:
        """Take the next bytes."""

    def hexdigest(self) -> str:
        """Return the digest of all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Where a part of a file begins and ends, and what shows whether it is still what it was."""

    begin: int
    """The first byte of a text, or the first row group of a Parquet file."""
    end: int
    """The one behind the last."""
    size: int
    """How many bytes of the file are read for it."""
    rows_before: int
    """The number of the row before its first."""
    rows: int | None = None
    """How many rows it holds, the header and blank ones too; None where only reading tells."""
    sha256: str
    """The digest of its bytes."""


class SpanFile(io.RawIOBase):
    """The bytes of one part of a file. Where they are not those that were cut, its end is a UsageError."""

    def __init__(self, path: Path, span: Span) -> None:
        """Open the file. Raises OSError."""
        self._path, self._span = path, span
        self._left, self._digest = span.size, hashlib.sha256()
        self._file = path.open("rb", buffering=0)
        self._file.seek(span.begin)

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what a reader gives
        """Read the next bytes. Raises UsageError at the end of bytes that are not what they were."""
        view = memoryview(buffer)[: self._left]
        size = self._file.readinto(view) or 0
        self._digest.update(view[:size])
        self._left -= size
        if not size and self._digest.hexdigest() != self._span.sha256:
            raise altered(self._path)
        return size

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def open_span(path: Path, span: Span) -> io.BufferedReader:
    """Open a part of a file. Raises OSError."""
    return io.BufferedReader(SpanFile(path, span), _READ)


def check_span(path: Path, span: Span) -> None:
    """Raise UsageError where the bytes of a part are not those that were cut."""
    with open_span(path, span) as file:
        while file.read(_READ):
            pass


def check_whole(path: Path, span: Span) -> None:
    """Raise UsageError where a file that was not cut is not what it was, or can't be read."""
    if next(whole(path)) != span:
        raise altered(path)


def whole(path: Path) -> Iterator[Span]:
    """Yield a file that can't be cut as one part. Raises UsageError where it can't be read."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
    except OSError as exc:
        raise UsageError(f"the input file {path} can't be read ({exc.strerror})") from exc
    yield Span(begin=0, end=size, size=size, rows_before=0, sha256=digest)


def altered(path: Path) -> UsageError:
    """Say that a file changed after it was cut."""
    return UsageError(f"{path} is not the input that its parts were cut from; restore it")
