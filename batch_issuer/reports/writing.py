"""Writes all files of a batch in one pass over its input, from one snapshot of the ledger."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from batch_issuer.batch.exit_codes import ExitCode, exit_code
from batch_issuer.batch.outcomes import Outcome
from batch_issuer.batch.stages import Stage
from batch_issuer.errors import ReportsNotWritten
from batch_issuer.intake import Source
from batch_issuer.ledger import Batch, BatchStage
from batch_issuer.ledger.requests import iterate_records
from batch_issuer.reports.files import csv_line
from batch_issuer.reports.lines import AccountedBlock, Accounts
from batch_issuer.reports.page import FINE, RequestOnPage, RowOnPage, write_page
from batch_issuer.reports.requests_file import request_line, requests_file, shown_state
from batch_issuer.reports.row_files import (
    BELONGS_IN_FAILED,
    original_line,
    original_rows_file,
    problem_text,
    reason,
    reconciliation_file,
    reconciliation_line,
    told,
)
from batch_issuer.reports.summary import ProblemTally, Summary, next_command, write_summary

_ON_PAGE: Final = 200
_PLAIN: Final = frozenset({Outcome.ISSUED, Outcome.PENDING, Outcome.NOT_SENT, Outcome.IN_DOUBT})
"""Rows of these outcomes stand in the reconciliation alone, in no other file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the command that writes the files ended."""

    finished_at: str
    exit_code: ExitCode | None = None
    """Where it is known already: a stop, or a refusal."""
    message: str = ""


@dataclass(slots=True, kw_only=True)
class _Totals:
    """What one pass counts."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    requests: list[RequestOnPage] = field(default_factory=list)
    rows: list[RowOnPage] = field(default_factory=list)
    problems: ProblemTally = field(default_factory=ProblemTally)
    lines: int = 0
    in_vain: int = 0
    retriable: int = 0
    unsent_reason: str = ""
    """Why a request is not sent or in doubt, as the ledger has it."""


def write_reports(
    connection: Connection, *, batch: Batch, source: Source, folder: Path, ending: Ending
) -> Summary:
    """Write every file of a batch and return its summary.

    Raises ReportsNotWritten where the folder can't be written; the ledger still holds everything.
    """
    totals = _Totals()
    try:
        _write_requests(connection, batch, folder, totals)
        _write_rows(connection, batch, source, folder, totals)
        summary = _summarise(replace(batch, finished_at=ending.finished_at), folder, totals, ending)
        write_page(summary, totals.requests, totals.rows)
        write_summary(summary)
    except OSError as exc:
        raise ReportsNotWritten(batch.batch, exc.strerror) from exc
    return summary


def _write_requests(connection: Connection, batch: Batch, folder: Path, totals: _Totals) -> None:
    with requests_file(folder).open(always=True) as write:
        for record in iterate_records(connection, batch.batch):
            write([request_line(record)])
            totals.states[shown_state(record)] += 1
            totals.retriable += record.is_retriable
            if record.stage in {Stage.NOT_SENT, Stage.IN_DOUBT}:
                totals.unsent_reason = totals.unsent_reason or record.error.message
            if len(totals.requests) < _ON_PAGE:
                totals.requests.append(RequestOnPage.from_record(record))


def _write_rows(connection: Connection, batch: Batch, source: Source, folder: Path, totals: _Totals) -> None:
    columns = source.columns
    with ExitStack() as files:
        reconcile = files.enter_context(reconciliation_file(folder).open(always=True))
        reject = files.enter_context(original_rows_file(folder / "rejects.csv", columns).open(always=False))
        fail = files.enter_context(original_rows_file(folder / "failed.csv", columns).open(always=False))
        accounts = Accounts(connection, batch.batch)
        for block in source.blocks():
            accounted = accounts.account(block, _PLAIN)
            lines = [(row.row, csv_line(reconciliation_line(row, columns))) for row in accounted.others]
            if accounted.plain is None:
                text = "".join(line for _, line in lines)
            else:
                text = accounted.plain.joined_with(lines)
            for row in accounted.others:
                outcome = row.outcome.outcome
                if outcome is Outcome.INVALID:
                    reject([original_line(row.row, row.cells, problem_text(row.problems), columns)])
                elif outcome in BELONGS_IN_FAILED:
                    fail([original_line(row.row, row.cells, reason(row), columns)])
            reconcile.text(text, _count(accounted, totals))


def _count(accounted: AccountedBlock, totals: _Totals) -> int:
    """Count the rows of a block, and keep the first that deserve a look; return their number."""
    outcomes = Counter(row.outcome.outcome for row in accounted.others)
    if accounted.plain is not None:
        outcomes += accounted.plain.outcomes()
    totals.outcomes += outcomes
    totals.lines += outcomes.total()
    for row in accounted.others:
        for problem in row.problems:
            totals.problems.add(problem)
        totals.in_vain += row.is_in_vain
    left = _ON_PAGE - len(totals.rows)
    if left:
        totals.rows += sorted(_on_page(accounted, left), key=lambda row: row.row)[:left]
    return outcomes.total()


def _on_page(accounted: AccountedBlock, most: int) -> Iterator[RowOnPage]:
    """Yield the first rows of a block that deserve a look: of either kind so many at most."""
    if accounted.plain is not None:
        for number, customer_id, request in accounted.plain.first(most, besides=FINE):
            yield RowOnPage(
                row=number,
                customer_id=str(customer_id),
                outcome=request.outcome,
                message=told(request.error),
            )
    deserving = (row for row in accounted.others if row.is_in_vain or row.outcome.outcome not in FINE)
    for row in islice(deserving, most):
        yield RowOnPage(
            row=row.row,
            customer_id="" if row.customer_id is None else str(row.customer_id),
            outcome=row.outcome.outcome,
            message=problem_text(row.problems) or told(row.outcome.error),
        )


def _unfinished(totals: _Totals) -> str:
    """Say why rows are left, where nothing else has said it."""
    left = totals.outcomes[Outcome.NOT_SENT] + totals.outcomes[Outcome.IN_DOUBT]
    if not left or not totals.unsent_reason:
        return ""
    return f"{left:,} {'row' if left == 1 else 'rows'} could not be sent: {totals.unsent_reason}"


def _summarise(batch: Batch, folder: Path, totals: _Totals, ending: Ending) -> Summary:
    is_refused = batch.stage is BatchStage.REFUSED
    code = exit_code(totals.outcomes, in_vain=totals.in_vain, stopped=ending.exit_code)
    return Summary(
        batch=batch,
        folder=folder,
        counts=totals.outcomes,
        states=dict(totals.states),
        requests=sum(totals.states.values()),
        rows_out=totals.lines,
        in_vain=totals.in_vain,
        exit_code=ExitCode.INPUT_REFUSED if is_refused else code,
        next_command=next_command(batch, totals.outcomes, folder, retriable=totals.retriable),
        message=ending.message or _unfinished(totals),
        problems=totals.problems,
    )
