"""The footer of a Parquet file: which columns and row groups it has, and whether they are bearable."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from batch_issuer.errors import InputRefused
from batch_issuer.intake.advice import SAVE_AS_CSV
from batch_issuer.intake.parquet.metadata import FileTold, GroupTold, read_metadata
from batch_issuer.intake.sheets import Limits

MAGIC: Final = b"PAR1"
_TAIL: Final = 8
"""The length of the footer, and the magic."""
_MAX_FOOTER: Final = 64 << 20
_MAX_COLUMNS: Final = 16_384
_READ: Final = 1 << 20
_READ_AHEAD: Final = 1 << 20
"""Bytes of a column that are read at a time: a row group may be as large as the file."""
_TEXTS: Final = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_LETTER_BYTES: Final = 4
_CELL_BYTES: Final = 64
_CHUNK_BYTES: Final = 1 << 16
"""What a cell, and a column of a row group, may take besides their text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowGroup:
    """Some rows that are packed together."""

    rows: int
    size: int
    """How many bytes its columns take when they are unpacked, as the file tells."""
    ranges: tuple[tuple[int, int], ...]
    """Where the bytes of its columns begin and end."""
    repeating: tuple[str, ...]
    """Columns of text whose cells may be places in a list of texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenParquet:
    """A Parquet file whose footer was checked."""

    path: Path
    name: str
    footer: tuple[int, int]
    """Where it begins and ends."""
    schema: pa.Schema
    groups: Sequence[RowGroup]

    def digest(self, groups: range) -> tuple[int, str]:
        """Return the size and the digest of all bytes that are read for some row groups. Raises OSError."""
        ranges = [self.footer, *(place for at in groups for place in self.groups[at].ranges)]
        digest = hashlib.sha256()
        with self.path.open("rb") as file:
            for begin, end in _joined(sorted(ranges)):
                file.seek(begin)
                left = end - begin
                while left and (part := file.read(min(left, _READ))):
                    digest.update(part)
                    left -= len(part)
        return sum(end - begin for begin, end in ranges), digest.hexdigest()

    @contextmanager
    def reader(self, *, as_places: Sequence[str] = ()) -> Iterator[pq.ParquetFile]:
        """Open its columns; the text of some of them comes as places in a list of texts."""
        with pq.ParquetFile(
            self.path,
            read_dictionary=list(as_places),
            buffer_size=_READ_AHEAD,
            pre_buffer=False,
            coerce_int96_timestamp_unit="us",
            page_checksum_verification=True,
        ) as reader:
            yield reader


def open_parquet(path: Path, limits: Limits, *, name: str) -> OpenParquet:
    """Read the footer of a file; messages call it `name`.

    Raises InputRefused, with what to do, for a damaged file, an encrypted one, and one that holds more than
    the limits say; OSError where it can't be read.
    """
    footer = _footer_of(path, name)
    told = _read(path, footer, name)
    if told.is_encrypted:
        raise InputRefused(encrypted(name))
    if told.rows > limits.max_rows:
        raise InputRefused(f"{name} has more than {limits.max_rows:,} data rows; split the file")
    with refused_if_damaged(name), pq.ParquetFile(path, coerce_int96_timestamp_unit="us") as file:
        schema, columns = file.schema_arrow, file.metadata.num_columns
        is_alike = (told.rows, len(told.groups)) == (file.metadata.num_rows, file.metadata.num_row_groups)
    if columns > _MAX_COLUMNS:
        raise InputRefused(f"{name} has more than {_MAX_COLUMNS:,} columns; leave out what is not needed")
    if not is_alike or any(len(group.columns) != columns for group in told.groups):
        raise InputRefused(damaged(name))
    texts: set[tuple[str, ...]] = {(field.name,) for field in schema if is_text(field.type)}
    groups = tuple(_look_at(group, texts, limits, name=name) for group in told.groups)
    package = OpenParquet(path=path, name=name, footer=footer, schema=schema, groups=groups)
    _refuse_false(package, told.rows)
    return package


@contextmanager
def refused_if_damaged(name: str) -> Iterator[None]:
    """Turn what a damaged file raises into one clear line. Raises InputRefused, and OSError of the system."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, OverflowError, LookupError) as exc:
        if isinstance(exc, OSError) and exc.errno is not None:
            raise
        if "crypt" in str(exc):
            raise InputRefused(encrypted(name)) from exc
        raise InputRefused(damaged(name)) from exc


def damaged(name: str) -> str:
    """Say that a file can't be read."""
    return f"{name} is no Parquet file that can be read, or is damaged; write it again, or save it as CSV"


def encrypted(name: str) -> str:
    """Say that a file can't be read without a key."""
    return f"{name} is an encrypted Parquet file; write it without encryption"


def is_text(kind: pa.DataType) -> bool:
    """Tell whether a column holds text."""
    return any(fits(kind) for fits in _TEXTS)


def _footer_of(path: Path, name: str) -> tuple[int, int]:
    """Find the footer by the end of the file, before anything is made of it."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        tail = file.read(_TAIL)
    length = int.from_bytes(tail[:4], "little")
    if not tail.endswith(MAGIC) or length > size - _TAIL - len(MAGIC):
        raise InputRefused(damaged(name))
    if length > _MAX_FOOTER:
        raise InputRefused(f"{name} tells more than {_MAX_FOOTER >> 20} MB of itself; {SAVE_AS_CSV}")
    return size - _TAIL - length, size


def _read(path: Path, footer: tuple[int, int], name: str) -> FileTold:
    begin, end = footer
    with path.open("rb") as file, refused_if_damaged(name):
        file.seek(begin)
        return read_metadata(file.read(end - begin - _TAIL))


def _look_at(group: GroupTold, texts: set[tuple[str, ...]], limits: Limits, *, name: str) -> RowGroup:
    """Check what a row group tells of its columns. Raises InputRefused."""
    if not group.rows:  # where its columns are is not always told
        return RowGroup(rows=0, size=0, ranges=(), repeating=())
    cell = _LETTER_BYTES * limits.max_cell_chars + _CELL_BYTES
    for column in group.columns:
        if column.path in texts and column.unpacked > cell * column.values + _CHUNK_BYTES:
            raise InputRefused(
                f"{name}: the column {column.path[0]!r} has cells of more than {limits.max_cell_chars:,} "
                "characters; shorten them"
            )
    repeating = (one.path[0] for one in group.columns if one.path in texts and one.has_dictionary)
    return RowGroup(
        rows=group.rows,
        size=sum(column.unpacked for column in group.columns),
        ranges=tuple((column.begin, column.end) for column in group.columns),
        repeating=tuple(repeating),
    )


def _refuse_false(package: OpenParquet, rows: int) -> None:
    """Refuse what can't be true: columns outside the file or over others, and rows that don't add up."""
    first, _ = package.footer
    places = sorted(place for group in package.groups for place in group.ranges)
    is_inside = all(len(MAGIC) <= begin <= end <= first for begin, end in places)
    overlap = any(one[1] > other[0] for one, other in pairwise(places))
    numbers = [number for group in package.groups for number in (group.rows, group.size)]
    if not is_inside or overlap or min(numbers, default=0) < 0:
        raise InputRefused(damaged(package.name))
    if sum(group.rows for group in package.groups) != rows:
        raise InputRefused(damaged(package.name))


def _joined(ranges: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Join ranges that touch; they are in order."""
    begin, end = ranges[0]
    for other, behind in ranges[1:]:
        if other != end:
            yield begin, end
            begin = other
        end = behind
    yield begin, end
