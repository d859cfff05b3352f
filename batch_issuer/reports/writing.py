"""Writes all files of a batch, from one snapshot of the ledger."""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from batch_issuer.batch.exit_codes import ExitCode, exit_code
from batch_issuer.batch.outcomes import Outcome
from batch_issuer.errors import ReportsNotWritten
from batch_issuer.intake import Source
from batch_issuer.ledger import Batch, BatchStage
from batch_issuer.ledger.request_columns import iterate_request_columns
from batch_issuer.reports.accounts import Accounts
from batch_issuer.reports.behind import writing_behind
from batch_issuer.reports.page import REQUESTS_ON_PAGE, RequestOnPage, requests_on_page, write_page
from batch_issuer.reports.request_tally import RequestTally
from batch_issuer.reports.requests_file import request_lines, requests_file
from batch_issuer.reports.row_map import RowMap
from batch_issuer.reports.row_writing import RowTotals, write_rows
from batch_issuer.reports.summary import Summary, next_command, write_summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the command that writes the files ended."""

    finished_at: str
    exit_code: ExitCode | None = None
    """Where it is known already: a stop, or a refusal."""
    message: str = ""


def write_reports(
    connection: Connection, *, batch: Batch, source: Source, folder: Path, ending: Ending
) -> Summary:
    """Write every file of a batch and return its summary.

    Raises ReportsNotWritten where the folder can't be written; the ledger still holds everything.
    """
    requests = _Requests(carried=RowMap(connection, rows=batch.rows))
    try:
        _write_requests(connection, batch, folder, requests)
        accounts = Accounts(connection, batch.batch, requests.carried)
        rows = write_rows(accounts, source, folder, count=batch.rows)
        summary = _summarise(
            replace(batch, finished_at=ending.finished_at), folder, requests.tally, rows, ending
        )
        write_page(summary, requests.on_page, rows.rows)
        write_summary(summary)
    except OSError as exc:
        raise ReportsNotWritten(batch.batch, exc.strerror) from exc
    return summary


@dataclass(frozen=True, slots=True, kw_only=True)
class _Requests:
    """What one pass over the requests takes down."""

    carried: RowMap
    tally: RequestTally = field(default_factory=RequestTally)
    on_page: list[RequestOnPage] = field(default_factory=list)
    """The first."""


def _write_requests(connection: Connection, batch: Batch, folder: Path, taken: _Requests) -> None:
    with requests_file(folder).open(always=True) as file, writing_behind(file) as write_lines:
        for requests, carried in iterate_request_columns(connection, batch.batch):
            write_lines(partial(request_lines, requests), len(requests))
            taken.tally.add(requests)
            taken.carried.add(requests, carried)
            taken.on_page.extend(requests_on_page(requests, REQUESTS_ON_PAGE - len(taken.on_page)))


def _unfinished(requests: RequestTally, rows: RowTotals) -> str:
    """Say why rows are left, where nothing else has said it."""
    left = rows.outcomes[Outcome.NOT_SENT] + rows.outcomes[Outcome.IN_DOUBT]
    if not left or not requests.unsent_reason:
        return ""
    return f"{left:,} {'row' if left == 1 else 'rows'} could not be sent: {requests.unsent_reason}"


def _summarise(
    batch: Batch, folder: Path, requests: RequestTally, rows: RowTotals, ending: Ending
) -> Summary:
    is_refused = batch.stage is BatchStage.REFUSED
    code = exit_code(rows.outcomes, in_vain=rows.in_vain, stopped=ending.exit_code)
    return Summary(
        batch=batch,
        folder=folder,
        counts=rows.outcomes,
        states=dict(requests.states),
        requests=requests.states.total(),
        rows_out=rows.lines,
        in_vain=rows.in_vain,
        exit_code=ExitCode.INPUT_REFUSED if is_refused else code,
        next_command=next_command(batch, rows.outcomes, folder, retriable=requests.retriable),
        message=ending.message or _unfinished(requests, rows),
        problems=rows.problems,
    )
