"""The files with one line for a row: `reconciliation.csv`, `rejects.csv` and `failed.csv`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa

from batch_issuer.batch.outcomes import Outcome, ServerError
from batch_issuer.batch.problems import InputProblem
from batch_issuer.batch.requests import RowNumbers
from batch_issuer.intake.columns import ADDED, Columns, unprotect
from batch_issuer.reports.cells import ended, joined, numbers, protected_cells
from batch_issuer.reports.files import CsvFile, Line, protect, protect_original

RECONCILIATION_COLUMNS: Final = (
    "row",
    "customer_id",
    "badge_meta_id",
    "outcome",
    "request_id",
    "workflow_request_id",
    "state",
    "issued_id",
    "error_code",
    "error_message",
    "attempts",
    "submitted_at",
    "updated_at",
)
_NO_REQUEST: Final = ("", "", "")
_NO_TIMES: Final = ("", "", "")
BETWEEN_PROBLEMS: Final = " | "
BELONGS_IN_FAILED: Final = frozenset(
    {Outcome.FAILED, Outcome.REJECTED, Outcome.ISSUE_FAILED, Outcome.UNACCOUNTED}
)


def reconciliation_file(folder: Path) -> CsvFile:
    """One line for each input row, in input order."""
    return CsvFile(folder / "reconciliation.csv", lambda: RECONCILIATION_COLUMNS)


def original_rows_file(path: Path, columns: Columns) -> CsvFile:
    """Rows as they were read, with `row` and `problem` before their original header.

    The added columns come first, so that surplus fields can't slip into them.
    """
    return CsvFile(path, lambda: [*ADDED, *(protect_original(t) for t in _own(columns.header, columns))])


def invalid_lines(
    rows: RowNumbers, ids: Sequence[pa.Array], *, rules: pa.Array, problems: pa.Array
) -> pa.Array:
    """Write invalid rows into the reconciliation: ids as they were read, and what is wrong with them.

    `ids` are two columns, and `problems` are cells; the ends of the lines are included.
    """
    return joined(
        numbers(rows),
        *map(protected_cells, ids),
        ",".join((Outcome.INVALID.value, *_NO_REQUEST, "")),
        rules,
        problems,
        ended(",".join(_NO_TIMES)),
    )


def original_line(row: int, cells: Sequence[str], problem: str, columns: Columns) -> Line:
    """Write a row as it was read, with its number and its problem."""
    return (row, protect(problem), *original_cells(cells, columns))


def original_cells(cells: Sequence[str], columns: Columns) -> list[str]:
    """Return the cells of a row as it was read, without those that a file of ours had added."""
    kept = _own([*cells, *[""] * (len(columns.header) - len(cells))], columns)
    return [protect_original(unprotect(cell) if columns.added else cell) for cell in kept]


def problem_text(problems: Sequence[InputProblem]) -> str:
    """Write all problems of a row into one cell."""
    return BETWEEN_PROBLEMS.join(problem.message for problem in problems)


def reason(outcome: Outcome, why: str) -> str:
    """Say why a row was not issued."""
    word = outcome.value.replace("_", " ")
    return f"{word}: {why}" if why else word


def told(error: ServerError) -> str:
    """Write an error as one text."""
    return " ".join(part for part in (error.code, error.message) if part)


def cell_as_read(cells: Sequence[str], name: str, columns: Columns) -> str:
    """Return the cell of a known column of a row, or what stands for an empty one in the whole file."""
    at = columns.positions.get(name)
    cell = cells[at] if at is not None and at < len(cells) else ""
    cell = unprotect(cell) if columns.added else cell
    return cell if cell.strip() else columns.defaults.get(name, cell)


def _own(cells: Sequence[str], columns: Columns) -> list[str]:
    """Leave out the two columns that an earlier file of ours added: they are added anew."""
    return [cell for at, cell in enumerate(cells) if at not in columns.added]
