"""Cuts separated text into parts at the ends of records, in one pass that looks at quotes and line ends only.

Where quotes stand only around whole cells, or doubled inside them, a line end behind an even number of quotes
ends a record. A stretch in which any other quote stands is walked record by record.
"""

import codecs
import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Final, NamedTuple

import numpy as np

from batch_issuer.intake.dialect import PARSED_CHARS, Dialect
from batch_issuer.intake.plain_text import NEWLINE, QUOTE, are_around_cells, has_lone_return
from batch_issuer.intake.spans import Digest, Span

_READ: Final = 256 << 10
"""Few enough bytes to stay near the processor while they are looked at several times."""


class _Stretch(NamedTuple):
    """Some bytes that end where a record does."""

    content: bytes | memoryview
    records: int | None
    """None where they can't be told apart: then it is all that is left of the file, or a part of that."""


def cut_text(file: IO[bytes], dialect: Dialect, *, part_bytes: int) -> Iterator[Span]:
    """Yield the parts of a text in order, each of some `part_bytes` or of one record that is larger.

    Behind a record that can't be read there is no other: whoever reads its part meets it. Raises OSError.
    """
    csv.field_size_limit(PARSED_CHARS)
    span = _Open(begin=0, rows_before=0)
    for stretch in _stretches(file, dialect, read_bytes=min(part_bytes, _READ)):
        span.add(stretch)
        if span.size >= part_bytes and span.rows:
            yield span.closed()
            span = _Open(begin=span.begin + span.size, rows_before=span.rows_before + span.rows)
    if span.size or not span.begin:
        yield span.closed()


@dataclass(slots=True, kw_only=True)
class _Open:
    """A part that still grows."""

    begin: int
    rows_before: int
    size: int = 0
    rows: int | None = 0
    digest: Digest = field(default_factory=hashlib.sha256)

    def add(self, stretch: _Stretch) -> None:
        self.digest.update(stretch.content)
        self.size += len(stretch.content)
        if self.rows is not None:
            self.rows = None if stretch.records is None else self.rows + stretch.records

    def closed(self) -> Span:
        return Span(
            begin=self.begin,
            end=self.begin + self.size,
            size=self.size,
            rows_before=self.rows_before,
            rows=self.rows,
            sha256=self.digest.hexdigest(),
        )


def _stretches(file: IO[bytes], dialect: Dialect, *, read_bytes: int) -> Iterator[_Stretch]:
    """Yield all bytes of a file."""
    yield _Stretch(_skip_start(file, dialect), 0)
    rest, is_last = b"", False
    while not is_last:
        part = file.read(read_bytes)
        is_last = len(part) < read_bytes
        content = rest + part
        found = _plain_records(content, dialect.delimiter, is_last=is_last)
        if found is not None and (found.end or (len(content) < 2 * read_bytes and not is_last)):
            yield _Stretch(memoryview(content)[: found.end], found.records)
            rest = content[found.end :]
        elif content:
            walk = _Walk(content, file, dialect, read_bytes=read_bytes)
            yield walk.stretch()
            rest, is_last = walk.rest, walk.is_at_end and not walk.rest
            if walk.is_broken:
                yield from _broken(file, rest)
                return


def _skip_start(file: IO[bytes], dialect: Dialect) -> bytes:
    """Read what stands before the header: a byte order mark, and the line that names the separator."""
    mark = b""
    if dialect.encoding != dialect.encoding_inside:
        mark = file.read(len(codecs.BOM_UTF8))
        if mark != codecs.BOM_UTF8:
            file.seek(0)
            mark = b""
    if not dialect.has_separator_line:
        return mark
    line = b"".join(file.readline().splitlines(keepends=True)[:1])
    file.seek(len(mark) + len(line))
    return mark + line


def _broken(file: IO[bytes], rest: bytes) -> Iterator[_Stretch]:
    yield _Stretch(rest, None)
    while part := file.read(_READ):
        yield _Stretch(part, None)


class _Records(NamedTuple):
    """So many records end in some bytes, the last of them at `end`."""

    end: int
    records: int


def _plain_records(content: bytes, delimiter: str, *, is_last: bool) -> _Records | None:
    """Count the records, or return None where they can't be told apart by counting."""
    codes = np.frombuffer(content, dtype=np.uint8)
    if b'"' not in content:
        end = len(content) if is_last else content.rfind(b"\n") + 1
        records = int(np.count_nonzero(codes[:end] == NEWLINE))
    else:
        quotes, newlines = np.flatnonzero(codes == QUOTE), np.flatnonzero(codes == NEWLINE)
        ends = newlines[np.searchsorted(quotes, newlines) % 2 == 0]
        end = len(content) if is_last else int(ends[-1]) + 1 if len(ends) else 0
        records = len(ends)
        quotes = quotes[: np.searchsorted(quotes, end)]
        if not are_around_cells(codes[:end], quotes, delimiter, may_be_doubled=True):
            return None
    if b"\r" in content and has_lone_return(codes[:end]):
        return None
    return _Records(end, records + (0 < end == len(content) and not content.endswith(b"\n")))


class _Walk:
    """Walks through some bytes record by record, and beyond them to the end of the last one."""

    def __init__(self, content: bytes, file: IO[bytes], dialect: Dialect, *, read_bytes: int) -> None:
        self._file, self._delimiter, self._read_bytes = file, dialect.delimiter, read_bytes
        self._encoding = dialect.encoding_inside
        self._parts, self._lines, self._line = [content], list[bytes](), 0
        self._unfinished: list[bytes] = []
        self._at = 0
        self.is_broken = self.is_at_end = False
        self._split(content)

    def stretch(self) -> _Stretch:
        """Walk to the end of the bytes, or as far as records can be told apart."""
        goal, records = sum(map(len, self._lines)), 0
        reader = csv.reader(self, delimiter=self._delimiter, strict=True)
        try:
            while next(reader, None) is not None:
                records += 1
                if self._at >= goal:
                    break
        except csv.Error:
            self.is_broken = True
        content = b"".join(self._parts)
        self.rest = content[self._at :]
        return _Stretch(memoryview(content)[: self._at], None if self.is_broken else records)

    def __iter__(self) -> "_Walk":
        return self

    def __next__(self) -> str:
        while self._line == len(self._lines):
            self._read()
        line = self._lines[self._line]
        self._line += 1
        self._at += len(line)
        return line.decode(self._encoding, "surrogateescape")

    def _read(self) -> None:
        """Read more lines. Raises StopIteration behind the last."""
        if self.is_at_end:
            raise StopIteration
        part = self._file.read(self._read_bytes)
        if part:
            self._parts.append(part)
            self._split(part)
        else:
            self.is_at_end = True
            self._lines, self._line = b"".join(self._unfinished).splitlines(keepends=True), 0
            self._unfinished = []

    def _split(self, part: bytes) -> None:
        """Take the whole lines; a return at the end may be half of a line end."""
        self._unfinished.append(part)
        if b"\n" not in part and b"\r" not in part:
            return
        self._lines, self._line = b"".join(self._unfinished).splitlines(keepends=True), 0
        self._unfinished = [] if self._lines[-1].endswith(b"\n") else [self._lines.pop()]
