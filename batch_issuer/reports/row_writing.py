"""Writes the files with one line for a row, from the ledger; the input is read only for rows that echo it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from batch_issuer.batch.outcomes import Outcome
from batch_issuer.intake import RawBlock, Source
from batch_issuer.intake.columns import Columns
from batch_issuer.reports.accounts import AccountedRows, Accounts
from batch_issuer.reports.behind import writing_behind
from batch_issuer.reports.cells import texts_of
from batch_issuer.reports.fates import OUTCOMES
from batch_issuer.reports.files import CsvLines, csv_line
from batch_issuer.reports.lines import RowLines, in_order
from batch_issuer.reports.originals import Originals
from batch_issuer.reports.page import FINE, ROWS_ON_PAGE, RowOnPage
from batch_issuer.reports.row_files import (
    BELONGS_IN_FAILED,
    invalid_line,
    original_line,
    original_rows_file,
    problem_text,
    reason,
    reconciliation_file,
)
from batch_issuer.reports.summary import ProblemTally

_NO_ROWS: Final = RawBlock(numbers=[], cells=[])


@dataclass(slots=True, kw_only=True)
class RowTotals:
    """What one pass over the rows counts."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    rows: list[RowOnPage] = field(default_factory=list)
    """The first that deserve a look."""
    problems: ProblemTally = field(default_factory=ProblemTally)
    in_vain: int = 0

    @property
    def lines(self) -> int:
        """How many rows these are."""
        return self.outcomes.total()

    def add(self, rows: AccountedRows) -> None:
        """Count some rows."""
        for some in rows.valid:
            self.outcomes += some.outcomes()
        self.outcomes += Counter({Outcome.INVALID: len(rows.invalid)})
        self.in_vain += rows.held.count_in_vain()
        for problems in rows.invalid.values():
            for problem in problems:
                self.problems.add(problem)
        left = ROWS_ON_PAGE - len(self.rows)
        if left:
            self.rows += sorted(_on_page(rows, left), key=lambda row: row.row)[:left]


def write_rows(accounts: Accounts, source: Source, folder: Path, *, count: int) -> RowTotals:
    """Write what became of each row; while some lines are written, the next rows are looked up.

    Raises AssertionError where these are not as many rows as the input has, before any file is replaced.
    """
    totals = RowTotals()
    columns, originals = source.columns, Originals(source)
    with ExitStack() as files:
        reconcile = files.enter_context(reconciliation_file(folder).open(always=True))
        reject = files.enter_context(original_rows_file(folder / "rejects.csv", columns).open(always=False))
        fail = files.enter_context(original_rows_file(folder / "failed.csv", columns).open(always=False))
        with writing_behind(reconcile) as write_lines:
            for rows in accounts:
                failed, invalid = _originals(rows, originals)
                totals.add(rows)
                write_lines(partial(_lines, rows, invalid, columns), len(rows))
                _reject(reject, rows, invalid, columns)
                _fail(fail, rows.carried, failed, columns)
        if totals.lines != count:
            raise AssertionError(f"the input has {count} rows, but the ledger knows of {totals.lines}")
    return totals


def _originals(rows: AccountedRows, originals: Originals) -> tuple[RawBlock, RawBlock]:
    """Return the failed rows and the invalid ones as they were read."""
    failed = rows.carried.rows[rows.carried.of(BELONGS_IN_FAILED)]
    invalid = np.array(list(rows.invalid), dtype=np.uint32)
    both = np.sort(np.concatenate([failed, invalid]))
    if not len(both):
        return _NO_ROWS, _NO_ROWS
    read = originals.take(both)
    is_invalid = np.isin(both, invalid)
    return read.raw(np.flatnonzero(~is_invalid)), read.raw(np.flatnonzero(is_invalid))


def _lines(rows: AccountedRows, invalid: RawBlock, columns: Columns) -> pa.Array:
    """Write the lines of the reconciliation."""
    told = zip(invalid.cells, rows.invalid.items(), strict=True)
    lines = [csv_line(invalid_line(row, cells, problems, columns)) for cells, (row, problems) in told]
    valid = ((some.rows, some.lines()) for some in rows.valid if len(some))
    return in_order([*valid, (invalid.rows, texts_of(lines))])


def _reject(write: CsvLines, rows: AccountedRows, invalid: RawBlock, columns: Columns) -> None:
    for cells, (row, problems) in zip(invalid.cells, rows.invalid.items(), strict=True):
        write([original_line(row, cells, problem_text(problems), columns)])


def _fail(write: CsvLines, carried: RowLines, failed: RawBlock, columns: Columns) -> None:
    if not failed.numbers:
        return
    fates = carried.fates
    told = zip(fates.outcomes.tolist(), fates.told().to_pylist(), strict=True)
    reasons = [reason(OUTCOMES[code], why) for code, why in told]
    fate_of = carried.told.fate_of[carried.of(BELONGS_IN_FAILED)].tolist()
    write(
        original_line(row, cells, reasons[fate], columns)
        for row, cells, fate in zip(failed.numbers, failed.cells, fate_of, strict=True)
    )


def _on_page(rows: AccountedRows, most: int) -> Iterator[RowOnPage]:
    """Yield the first rows that deserve a look: of each kind so many at most."""
    for some in rows.valid:
        places = some.worth_a_look(FINE)[:most]
        for at, message in zip(places.tolist(), some.messages(places).to_pylist(), strict=True):
            yield RowOnPage(
                row=int(some.rows[at]),
                customer_id=str(some.customers[at]),
                outcome=some.outcome(at),
                message=message,
            )
    for row, problems in islice(rows.invalid.items(), most):
        yield RowOnPage(row=row, customer_id="", outcome=Outcome.INVALID, message=problem_text(problems))
