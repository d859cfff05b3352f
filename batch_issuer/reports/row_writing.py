"""Writes the files with one line for a row, from the ledger; the input is read only for rows that echo it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pyarrow as pa

from batch_issuer.batch.outcomes import Outcome
from batch_issuer.intake import Source
from batch_issuer.intake.columns import Columns
from batch_issuer.reports.accounts import AccountedRows, Accounts
from batch_issuer.reports.behind import LinesBehind, writing_behind
from batch_issuer.reports.cells import protected_cells, texts_of
from batch_issuer.reports.fates import OUTCOMES
from batch_issuer.reports.invalid_rows import InvalidRows
from batch_issuer.reports.lines import RowLines, in_order
from batch_issuer.reports.originals import Originals, RowsAsRead, cells_as_read, original_lines
from batch_issuer.reports.page import FINE, ROWS_ON_PAGE, RowOnPage
from batch_issuer.reports.row_files import (
    BELONGS_IN_FAILED,
    invalid_lines,
    original_rows_file,
    reason,
    reconciliation_file,
)
from batch_issuer.reports.summary import ProblemTally


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
        self.problems.add_all(rows.invalid.problems)
        left = ROWS_ON_PAGE - len(self.rows)
        if left:
            self.rows += sorted(_on_page(rows, left), key=lambda row: row.row)[:left]


def write_rows(accounts: Accounts, source: Source, folder: Path, *, count: int) -> RowTotals:
    """Write what became of each row; while some lines are written, the next rows are looked up.

    Raises AssertionError where these are not as many rows as the input has, before any file is replaced.
    """
    totals = RowTotals()
    columns = source.columns
    failed, invalid = Originals(source), Originals(source)
    with ExitStack() as files:
        reconcile = files.enter_context(reconciliation_file(folder).open(always=True))
        reject = files.enter_context(original_rows_file(folder / "rejects.csv", columns).open(always=False))
        fail = files.enter_context(original_rows_file(folder / "failed.csv", columns).open(always=False))
        with (
            writing_behind(reconcile) as write_lines,
            writing_behind(reject) as write_rejected,
            writing_behind(fail) as write_failed,
        ):
            for rows in accounts:
                totals.add(rows)
                rejected = list(rejected_rows(rows.invalid, invalid))
                for some in rejected:
                    write_rejected(partial(some.originals, columns), len(some.problems))
                write_lines(partial(_lines, rows, rejected, columns), len(rows))
                _fail(write_failed, rows.carried, failed, columns)
        if totals.lines != count:
            raise AssertionError(f"the input has {count} rows, but the ledger knows of {totals.lines}")
    return totals


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rejected:
    """Some invalid rows as they were read, and as cells what is wrong with each."""

    read: RowsAsRead
    rules: pa.Array
    problems: pa.Array

    def originals(self, columns: Columns) -> pa.Array:
        """Write them as they were read."""
        return original_lines(self.read, self.problems, columns)

    def lines(self, columns: Columns) -> pa.Array:
        """Write their lines of the reconciliation."""
        ids = [cells_as_read(self.read, name, columns) for name in ("customer_id", "badge_meta_id")]
        return invalid_lines(self.read.rows, ids, rules=self.rules, problems=self.problems)


def _lines(rows: AccountedRows, rejected: Sequence[Rejected], columns: Columns) -> pa.Array:
    """Write the lines of the reconciliation."""
    valid = [(some.rows, some.lines()) for some in rows.valid if len(some)]
    return in_order([*valid, *((some.read.rows, some.lines(columns)) for some in rejected)])


def rejected_rows(invalid: InvalidRows, originals: Originals) -> Iterator[Rejected]:
    """Read invalid rows again, to say of each what is wrong with it."""
    rules, problems, at = invalid.rules(), protected_cells(invalid.texts()), 0
    for read in originals.take(invalid.rows):
        count = len(read.rows)
        yield Rejected(read=read, rules=rules.slice(at, count), problems=problems.slice(at, count))
        at += count


def _fail(write: LinesBehind, carried: RowLines, originals: Originals, columns: Columns) -> None:
    """Write failed rows as they were read."""
    places = carried.of(BELONGS_IN_FAILED)
    if not len(places):
        return
    fates, at = carried.fates, 0
    told = zip(fates.outcomes.tolist(), fates.told().to_pylist(), strict=True)
    reasons = protected_cells(texts_of([reason(OUTCOMES[code], why) for code, why in told]))
    problems = reasons.take(pa.array(carried.told.fate_of[places]))
    for read in originals.take(carried.rows[places]):
        count = len(read.rows)
        write(partial(original_lines, read, problems.slice(at, count), columns), count)
        at += count


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
    invalid = rows.invalid.first(most)
    for row, message in zip(invalid.rows.tolist(), invalid.texts().to_pylist(), strict=True):
        yield RowOnPage(row=row, customer_id="", outcome=Outcome.INVALID, message=message)
