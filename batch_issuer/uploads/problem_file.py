"""The invalid rows of an upload on the disk: written while it is checked, and read a page at a time.

A page is found by looking at few columns of some rows after the other, in a file that is mapped into memory.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from batch_issuer.batch.problems import InputProblem, Rule
from batch_issuer.intake import COLUMNS, CheckedRows, RawBlock
from batch_issuer.reports.invalid_rows import InvalidRows
from batch_issuer.reports.originals import RowsAsRead
from batch_issuer.reports.rejects import invalid_as_read

_ROWS_AT_ONCE: Final = 8_192
_RULES: Final = tuple(Rule)
_COLUMNS: Final = ("", *COLUMNS)
_TEXTS: Final = pa.list_(pa.string())
_CODES: Final = pa.list_(pa.int8())
_BETWEEN: Final = "\n"
_SCHEMA: Final = pa.schema(
    [
        ("row", pa.uint32()),
        ("cells", _TEXTS),
        ("searched", pa.string()),
        ("rules", _CODES),
        ("columns", _CODES),
        ("values", _TEXTS),
        ("hints", _TEXTS),
    ]
)
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which invalid rows are asked for; all of it must hold."""

    rule: str = ""
    column: str = ""
    text: str = ""
    """Part of any cell, whatever its case; or the number of a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemRow:
    """An invalid row as it was read, with all of its problems."""

    row: int
    cells: tuple[str, ...]
    problems: tuple[InputProblem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemPage:
    """Some invalid rows in input order; `next_after` is None where there are no more."""

    rows: tuple[ProblemRow, ...] = ()
    next_after: int | None = None


class ProblemWriter:
    """Writes the invalid rows of one pass over a file; the file is replaced when all are there."""

    def __init__(self, files: ExitStack, path: Path) -> None:
        """Open a file beside its place; where the pass fails the former one stays."""
        self._path, self._beside = path, path.with_name(f".{path.name}.part")
        self._writer = files.enter_context(pa.ipc.new_file(self._beside, _SCHEMA))

    def __call__(self, rows: CheckedRows) -> None:
        """Take the invalid rows of a block."""
        if not rows.problems:
            return
        invalid = InvalidRows.of(rows.problems)
        columns = _problem_columns(invalid)
        cells = _cells(invalid_as_read(rows, invalid))
        searched = pc.utf8_lower(pc.binary_join(cells, _BETWEEN))
        batch = pa.record_batch([pa.array(invalid.rows), cells, searched, *columns], schema=_SCHEMA)
        for start in range(0, len(batch), _ROWS_AT_ONCE):
            self._writer.write_batch(batch.slice(start, _ROWS_AT_ONCE))

    def finish(self) -> None:
        """Move the file to its place: it is closed."""
        self._beside.replace(self._path)


def _problem_columns(invalid: InvalidRows) -> Iterator[pa.Array]:
    problems = invalid.problems
    offsets = pa.array(np.append(invalid.starts, len(problems)).astype(np.int32))
    codes, kinds = problems.codes, problems.kinds
    rules = np.array([_RULES.index(kind.rule) for kind in kinds], dtype=np.int8)
    columns = np.array([_COLUMNS.index(kind.column) for kind in kinds], dtype=np.int8)
    hints = pa.array([kind.hint for kind in kinds], pa.string())
    for flat in (rules[codes], columns[codes]):
        yield pa.ListArray.from_arrays(offsets, pa.array(flat))
    for texts in (problems.values, hints.take(pa.array(codes))):
        yield pa.ListArray.from_arrays(offsets, texts)


def _cells(read: RowsAsRead) -> pa.Array:
    """Return the cells of each row as a list."""
    if isinstance(read, RawBlock):
        return pa.array(read.cells, _TEXTS)
    count, width = len(read.rows), len(read.columns)
    by_row = np.arange(count * width).reshape(width, count).T.reshape(-1)
    offsets = np.arange(0, (count + 1) * width, width, dtype=np.int32)
    return pa.ListArray.from_arrays(offsets, pa.concat_arrays(list(read.columns)).take(pa.array(by_row)))


def find_problems(path: Path, wanted: Wanted, *, after: int, limit: int) -> ProblemPage:
    """Return the next wanted rows behind a row; no more of the file is read than it takes to find them."""
    if not path.exists():
        return ProblemPage()
    found: list[ProblemRow] = []
    with pa.memory_map(str(path)) as mapped, pa.ipc.open_file(mapped) as file:
        for number in range(file.num_record_batches):
            batch = file.get_batch(number)
            if not len(batch) or batch.column("row")[-1].as_py() <= after:
                continue
            at = np.flatnonzero(_fits(batch, wanted, after))[: limit + 1 - len(found)]
            found.extend(_rows(batch, at))
            if len(found) > limit:
                return ProblemPage(rows=tuple(found[:limit]), next_after=found[limit - 1].row)
    return ProblemPage(rows=tuple(found))


def find_problem_row(path: Path, row: int) -> ProblemRow | None:
    """Return one invalid row."""
    page = find_problems(path, Wanted(), after=row - 1, limit=1)
    return next((found for found in page.rows if found.row == row), None)


def _fits(batch: pa.RecordBatch, wanted: Wanted, after: int) -> Mask:
    rows = np.asarray(batch.column("row"))
    fits: Mask = rows > after
    if wanted.rule or wanted.column:
        fits &= _breaks(batch, wanted)
    text = wanted.text.strip().lower()
    if text and fits.any():
        has_text = pc.match_substring(batch.column("searched"), text).to_numpy(zero_copy_only=False)
        fits &= has_text | (rows == int(text)) if text.isdecimal() and text.isascii() else has_text
    return fits


def _breaks(batch: pa.RecordBatch, wanted: Wanted) -> Mask:
    """Tell which rows break a rule in a column, or anywhere, or any rule there."""
    lists = batch.column("rules")
    meant = np.ones(len(lists.flatten()), dtype=np.bool_)
    for name, text, known in (("rules", wanted.rule, _RULES), ("columns", wanted.column, _COLUMNS)):
        if text:
            code = known.index(text) if text in known else -1
            meant &= np.asarray(batch.column(name).flatten()) == code
    fits = np.zeros(len(batch), dtype=np.bool_)
    fits[np.asarray(pc.list_parent_indices(lists))[meant]] = True
    return fits


def _rows(batch: pa.RecordBatch, at: Sequence[int] | npt.NDArray[np.intp]) -> Iterator[ProblemRow]:
    for record in batch.take(pa.array(at)).to_pylist():
        listed = zip(record["rules"], record["columns"], record["values"], record["hints"], strict=True)
        yield ProblemRow(
            row=record["row"],
            cells=tuple(record["cells"]),
            problems=tuple(
                InputProblem(
                    row=record["row"], column=_COLUMNS[column], value=value, rule=_RULES[rule], hint=hint
                )
                for rule, column, value, hint in listed
            ),
        )
