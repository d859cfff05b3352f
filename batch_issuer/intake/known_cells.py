"""Lays the known columns of a block out as Arrow text, however the block was read."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from batch_issuer.batch.problem_columns import NO_PROBLEMS, ProblemColumns, ProblemKind
from batch_issuer.batch.problems import InputProblem, Rule
from batch_issuer.batch.requests import RowNumbers
from batch_issuer.intake.columns import GROUP_COLUMNS, Columns, unprotect
from batch_issuer.intake.schema import InputRules
from batch_issuer.intake.sheets import Block, ColumnBlock, RawBlock
from batch_issuer.intake.text_arrays import first_bytes

_LAST_ASCII_BLANK, _LAST_ASCII = 0x20, 0x7F


class Encoded(NamedTuple):
    """The cells of a column whose values repeat: row `i` holds `texts[places[i]]`, or `texts[0]`."""

    texts: pa.StringArray
    places: npt.NDArray[np.int32] | None
    """None where all rows hold the same."""

    def cells(self, rows: npt.NDArray[np.integer]) -> pa.StringArray:
        """Return the cells of some rows."""
        if self.places is None:
            return pa.repeat(self.texts[0], len(rows))
        return self.texts.take(pa.array(self.places[rows]))

    def listed(self, rows: npt.NDArray[np.integer]) -> list[str]:
        """Return the cells of some rows; those that are alike are one object."""
        if self.places is None:
            return [self.texts[0].as_py()] * len(rows)
        texts = np.array(self.texts.to_pylist(), dtype=np.object_)
        listed: list[str] = texts[self.places[rows]].tolist()
        return listed


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownCells:
    """The known columns of some rows, of which none is blank.

    A missing or empty cell holds the value given for the whole file, or nothing.
    """

    rows: RowNumbers
    customer_ids: pa.Array
    groups: tuple[Encoded, ...]
    """The other known columns, in their order."""
    misread: ProblemColumns = NO_PROBLEMS
    """Problems that the text of no known cell shows: surplus fields, and cells that are not their text."""


def known_cells(block: Block, columns: Columns, rules: InputRules) -> KnownCells:
    """Lay out the rows of a block that are not blank."""
    if isinstance(block, RawBlock):
        return _from_rows(block, columns, rules)
    rows, table, kept = block.rows, block.table, np.arange(len(block))
    blank = _blank_rows(table, columns.positions["customer_id"])
    if len(blank):
        kept = np.delete(kept, blank)
        rows, table = rows[kept], table.take(pa.array(kept)).combine_chunks()
    return KnownCells(
        rows=rows,
        customer_ids=_text_column(table, columns, "customer_id"),
        groups=tuple(_encoded_column(table, columns, name) for name in GROUP_COLUMNS),
        misread=ProblemColumns.joined(
            [
                _surplus_in_columns(rows, table, len(columns.header)),
                *_misleading_columns(block, kept, columns, rules),
            ]
        ),
    )


def _blank_rows(table: pa.Table, customer_id: int) -> npt.NDArray[np.intp]:
    """Find the rows that hold nothing but blanks."""
    if customer_id >= table.num_columns:
        at = np.arange(table.num_rows)
    else:
        first = first_bytes(_column(table, customer_id))
        at = np.flatnonzero((first <= _LAST_ASCII_BLANK) | (first > _LAST_ASCII))
    for place in range(table.num_columns):
        if not len(at):
            break
        at = at[_is_blank(_column(table, place).take(pa.array(at)))]
    return at


def _is_blank(cells: pa.Array) -> npt.NDArray[np.bool_]:
    if pa.types.is_dictionary(cells.type):
        blank: npt.NDArray[np.bool_] = _is_blank(cells.dictionary)[np.asarray(cells.indices)]
        return blank
    return np.asarray(pc.equal(pc.binary_length(pc.utf8_trim_whitespace(cells)), 0))


def _text_column(table: pa.Table, columns: Columns, name: str) -> pa.Array:
    at, default = columns.positions.get(name), columns.defaults.get(name, "")
    if at is None or at >= table.num_columns:
        return pa.repeat(pa.scalar(default), table.num_rows)
    return _with_default(_column(table, at), default)


def _encoded_column(table: pa.Table, columns: Columns, name: str) -> Encoded:
    at, default = columns.positions.get(name), columns.defaults.get(name, "")
    if at is None or at >= table.num_columns:
        return Encoded(pa.array([default]), None)
    cells = _column(table, at)
    return Encoded(_with_default(cells.dictionary, default), np.asarray(cells.indices))


def _with_default(cells: pa.StringArray, default: str) -> pa.StringArray:
    return pc.if_else(pa.array(_is_blank(cells)), default, cells) if default else cells


def _surplus_in_columns(rows: RowNumbers, table: pa.Table, width: int) -> ProblemColumns:
    surplus = pa.nulls(table.num_rows, pa.string())
    for at in range(width, table.num_columns):
        cells = _column(table, at)
        if pc.max(pc.binary_length(cells)).as_py():
            filled = pc.if_else(pa.array(_is_blank(cells)), pa.scalar(None, pa.string()), cells)
            surplus = pc.coalesce(surplus, filled)
    if surplus.null_count == table.num_rows:
        return NO_PROBLEMS
    filled_rows = rows[np.asarray(pc.is_valid(surplus))]
    return ProblemColumns(
        rows=filled_rows,
        codes=np.zeros(len(filled_rows), dtype=np.int32),
        kinds=(ProblemKind("", Rule.SURPLUS_FIELDS),),
        values=surplus.drop_null(),
    )


def _misleading_columns(
    block: ColumnBlock, kept: npt.NDArray[np.intp], columns: Columns, rules: InputRules
) -> Iterator[ProblemColumns]:
    """Yield the problems of cells that are not what their text looks like, column by column."""
    for column, at in columns.positions.items():
        marked = block.marks.get(at)
        finding = rules.explain_kind(column, marked.kind) if marked else None
        if marked is None or finding is None:
            continue
        places = kept[marked.rows[kept]]
        yield ProblemColumns(
            rows=block.rows[places],
            codes=np.zeros(len(places), dtype=np.int32),
            kinds=(ProblemKind(column, *finding),),
            values=block.column(at).take(pa.array(places)).cast(pa.string()),
        )


def _column(table: pa.Table, at: int) -> pa.Array:
    return table.column(at).chunk(0)


def _from_rows(block: RawBlock, columns: Columns, rules: InputRules) -> KnownCells:
    cells = {name: _cells_of(block, columns, name) for name in ("customer_id", *GROUP_COLUMNS)}
    return KnownCells(
        rows=block.rows,
        customer_ids=cells["customer_id"],
        groups=tuple(_encode(cells[name]) for name in GROUP_COLUMNS),
        misread=ProblemColumns.of(
            [*_surplus_in_rows(block, columns), *_misleading_cells(block, columns, rules)]
        ),
    )


def _cells_of(block: RawBlock, columns: Columns, name: str) -> pa.StringArray:
    at, default = columns.positions.get(name), columns.defaults.get(name, "")
    if at is None:
        return pa.repeat(pa.scalar(default), len(block.numbers))
    cells = [record[at] if at < len(record) else "" for record in block.cells]
    if columns.added:
        cells = [unprotect(cell) for cell in cells]
    return _with_default(pa.array(cells, pa.string()), default)


def _encode(cells: pa.StringArray) -> Encoded:
    encoded = cells.dictionary_encode()
    return Encoded(encoded.dictionary, np.asarray(encoded.indices))


def _surplus_in_rows(block: RawBlock, columns: Columns) -> Iterator[InputProblem]:
    width = len(columns.header)
    for row, record in zip(block.numbers, block.cells, strict=True):
        if len(record) > width and any(cell.strip() for cell in record[width:]):
            value = next(cell for cell in record[width:] if cell.strip())
            yield InputProblem(row=row, column="", value=value, rule=Rule.SURPLUS_FIELDS)


def _misleading_cells(block: RawBlock, columns: Columns, rules: InputRules) -> Iterator[InputProblem]:
    """Yield the problems of cells that are not what their text looks like."""
    places = columns.positions.items()
    cells_of = dict(zip(block.numbers, block.cells, strict=True)) if block.kinds else {}
    for row, kinds in block.kinds.items():
        for column, at in places:
            finding = rules.explain_kind(column, kinds[at]) if at in kinds else None
            if finding is not None:
                value = cells_of[row][at]
                yield InputProblem(row=row, column=column, value=value, rule=finding.rule, hint=finding.hint)
