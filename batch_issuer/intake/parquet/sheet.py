"""Reads a Parquet file as a sheet: its columns' names are row 1, and its rows follow."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from batch_issuer.errors import InputRefused, UsageError
from batch_issuer.intake.blocks import Record, gather, header_of, too_large
from batch_issuer.intake.parquet.footer import OpenParquet, damaged, is_text, open_parquet, refused_if_damaged
from batch_issuer.intake.parquet.texts import as_text
from batch_issuer.intake.sheets import Block, CellKind, ColumnBlock, Limits, Marked, RawBlock
from batch_issuer.intake.spans import Span, altered

_BATCH_ROWS: Final = 50_000
_BATCH_BYTES: Final = 64 << 20
"""About how much of a row group is unpacked at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParquetSheet:
    """A Parquet file."""

    path: Path
    name: str
    """What messages call it, for `path` may be a copy."""
    limits: Limits = field(default_factory=Limits)
    span: Span | None = None
    """The part of the file whose rows are read; None for all of it."""

    @property
    def form(self) -> str:
        """The kind of file."""
        return "a Parquet file"

    @property
    def warnings(self) -> tuple[str, ...]:
        """Nothing: the types of its columns tell how they are meant."""
        return ()

    def header(self) -> list[str]:
        """Return the names of the columns. Raises InputRefused where there are none."""
        with self._opened() as file:
            return header_of(file.schema.names, name=self.name)

    def blocks(self) -> Iterator[RawBlock]:
        """Yield the rows in input order, some thousands at a time."""
        records = (record for block in self._blocks(frozenset()) for record in _records(block))
        return gather(records, self.limits, name=self.name)

    def column_blocks(self, encoded: frozenset[int]) -> Iterator[Block]:
        """Yield the same rows as columns."""
        return self._blocks(encoded)

    def at(self, path: Path) -> Self:
        """Return the same sheet of a copy of the file."""
        return replace(self, path=path)

    def spans(self, *, part_bytes: int) -> Iterator[Span]:
        """Gather row groups until they take some `part_bytes` when they are unpacked."""
        with self._opened() as file:
            first, rows_before, size = 0, 0, 0
            for behind, group in enumerate(file.groups, 1):
                size += group.size
                if size >= part_bytes or behind == len(file.groups):
                    span = _span(file, range(first, behind), rows_before)
                    yield span
                    first, rows_before, size = behind, rows_before + (span.rows or 0), 0
            if not file.groups:
                yield _span(file, range(0), 0)

    def within(self, span: Span) -> Self:
        """Return the same sheet, of which only some row groups are read."""
        return replace(self, span=span)

    @contextmanager
    def _opened(self) -> Iterator[OpenParquet]:
        try:
            yield open_parquet(self.path, self.limits, name=self.name)
        except OSError as exc:
            raise UsageError(f"the input file {self.path} can't be read ({exc.strerror})") from exc

    def _blocks(self, encoded: frozenset[int]) -> Iterator[ColumnBlock]:
        with self._confirmed() as file:
            groups, number = range(len(file.groups)), 1
            if self.span is not None:
                groups = range(self.span.begin, self.span.end)
                number = max(self.span.rows_before, 1)
            for at in groups:
                behind = number + file.groups[at].rows
                for batch in _batches(file, at):
                    yield self._block(batch, number + 1, encoded)
                    number += batch.num_rows
                if number != behind:
                    raise InputRefused(damaged(self.name))

    @contextmanager
    def _confirmed(self) -> Iterator[OpenParquet]:
        """Open the file; a part of it only if it is what was cut."""
        try:
            with self._opened() as file:
                if self.span is not None:
                    _check(file, self.span)
                yield file
        except InputRefused:
            if self.span is not None:
                self._check_again(self.span)
            raise

    def _check_again(self, span: Span) -> None:
        """Raise UsageError where a file is refused for what it was not when it was cut."""
        try:
            with self._opened() as file:
                _check(file, span)
        except InputRefused as exc:  # it was cut by what its footer tells, which is damaged now
            raise altered(self.path) from exc

    def _block(self, batch: pa.RecordBatch, first: int, encoded: frozenset[int]) -> ColumnBlock:
        columns: list[pa.Array] = []
        marks: dict[int, Marked] = {}
        for at, column in enumerate(batch.columns):
            if isinstance(column, pa.DictionaryArray) and is_text(column.type.value_type):
                self._refuse_larger(column.dictionary, first, np.asarray(column.indices.fill_null(0)))
            try:
                texts = as_text(column, longest=self.limits.max_cell_chars)
            except pa.ArrowException as exc:
                raise InputRefused(_no_text(self.name, batch.schema.names[at], first, column)) from exc
            self._refuse_larger(texts.cells, first)
            columns.append(texts.cells.dictionary_encode() if at in encoded else texts.cells)
            if texts.marked is not None:
                marks[at] = texts.marked
        names = [str(at) for at in range(len(columns))]
        return ColumnBlock(first=first, table=pa.Table.from_arrays(columns, names=names), marks=marks)

    def _refuse_larger(
        self, cells: pa.Array, first: int, places: npt.NDArray[np.int32] | None = None
    ) -> None:
        """Refuse cells above the limit; where row `i` is `cells[places[i]]` none need be written out."""
        most = self.limits.max_cell_chars
        if (pc.max(pc.binary_length(cells)).as_py() or 0) <= most:
            return
        is_above = np.asarray(pc.utf8_length(cells.fill_null(""))) > most
        above = np.flatnonzero(is_above if places is None else is_above[places])
        if len(above):
            raise InputRefused(too_large(self.name, first + int(above[0]), most))


def _batches(file: OpenParquet, at: int) -> Iterator[pa.RecordBatch]:
    """Unpack a row group step by step: it may be as large as the file.

    A text that many cells share may be long: how long is seen before any of them is written out.
    """
    group = file.groups[at]
    if not group.rows:
        return
    with refused_if_damaged(file.name):
        row = group.size // group.rows + 1
        if group.repeating:
            with file.reader(as_places=group.repeating) as reader:
                first = reader.iter_batches(1, row_groups=[at], columns=list(group.repeating))
                row += sum(_longest(column) for texts in islice(first, 1) for column in texts.columns)
        rows = max(1, min(_BATCH_ROWS, _BATCH_BYTES // row))
        with file.reader() as reader:
            batches = reader.iter_batches(rows, row_groups=[at])
            while (batch := next(batches, None)) is not None:
                yield batch


def _longest(column: pa.Array) -> int:
    texts = column.dictionary if isinstance(column, pa.DictionaryArray) else column
    return int(pc.max(pc.binary_length(texts)).as_py() or 0)


def _records(block: ColumnBlock) -> Iterator[Record]:
    cells = zip(*(column.to_pylist() for column in block.table.columns), strict=True)
    for at, row in enumerate(cells):
        yield Record(block.first + at, list(row), _kinds(block.marks, at))


def _kinds(marks: Mapping[int, Marked], at: int) -> dict[int, CellKind]:
    return {place: marked.kind for place, marked in marks.items() if marked.rows[at]}


def _span(file: OpenParquet, groups: range, rows_before: int) -> Span:
    size, digest = file.digest(groups)
    rows = sum(file.groups[at].rows for at in groups) + (not rows_before)
    return Span(
        begin=groups.start,
        end=groups.stop,
        size=size,
        rows_before=rows_before,
        rows=rows,
        sha256=digest,
    )


def _check(file: OpenParquet, span: Span) -> None:
    """Raise UsageError where the bytes of a part are not those that were cut."""
    if span.end > len(file.groups) or file.digest(range(span.begin, span.end))[1] != span.sha256:
        raise altered(file.path)


def _no_text(name: str, title: str, first: int, column: pa.Array) -> str:
    """Say where text that is no UTF-8 stands."""
    for at in range(len(column)):
        try:
            column.slice(at, 1).validate(full=True)
        except pa.ArrowException:
            return f"{name}: row {first + at}, column {title!r}: the text is not UTF-8; write the file again"
    return damaged(name)
