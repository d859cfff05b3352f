"""What became of each row, found row by row and written by the csv module: slowly, and with nothing in common
with the way that writes many at once but the outcome rule."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from sqlalchemy import Connection

from batch_issuer.batch.ids import BatchId
from batch_issuer.batch.outcomes import Outcome, RowOutcome, ServerError, row_outcome
from batch_issuer.batch.problems import InputProblem
from batch_issuer.intake import Source
from batch_issuer.intake.columns import Columns
from batch_issuer.ledger import RequestRecord
from batch_issuer.ledger.batches import iterate_duplicates, iterate_problems
from batch_issuer.ledger.held_rows import iterate_carriers, load_held_rows
from batch_issuer.ledger.request_rows import iterate_request_rows
from batch_issuer.reports.files import csv_line, protect
from batch_issuer.reports.held import HeldFate
from batch_issuer.reports.row_files import cell_as_read

NEVER_ISSUED = {"rejected", "failed", "issue_failed", "unaccounted", "not_sent"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A valid row and what became of it."""

    customer_id: int
    record: RequestRecord
    outcome: RowOutcome

    def line(self, number: int) -> str:
        record, error = self.record, self.outcome.error
        return csv_line(
            [
                number,
                self.customer_id,
                record.group.badge_meta_id,
                self.outcome.outcome.value,
                record.request_id,
                protect(record.workflow_request_id or ""),
                protect(record.state),
                protect(self.outcome.issued_id),
                protect(error.code),
                protect(error.message),
                record.attempts,
                record.submitted_at,
                record.updated_at,
            ]
        )


def lines_row_by_row(connection: Connection, batch: BatchId, source: Source) -> Iterator[str]:
    """Yield the lines of the reconciliation."""
    carried, held = _carried(connection, batch), _held(connection, batch)
    repeated = _repeated(connection, batch)
    problems = _problems(connection, batch)
    for block in source.blocks():
        raw = block.raw(np.arange(len(block.rows)))
        for number, cells in zip(raw.numbers, raw.cells, strict=True):
            if number in problems:
                yield _invalid_line(number, cells, problems[number], source.columns)
            elif number in repeated:
                original = repeated[number]
                row = held[original] if original in held else carried[original]
                yield _repeating(row, original).line(number)
            else:
                yield (held[number] if number in held else carried[number]).line(number)


def _invalid_line(row: int, cells: list[str], problems: list[InputProblem], columns: Columns) -> str:
    ids = [protect(cell_as_read(cells, name, columns)) for name in ("customer_id", "badge_meta_id")]
    message = protect(" | ".join(problem.message for problem in problems))
    return csv_line([row, *ids, "invalid", "", "", "", "", problems[0].rule.value, message, "", "", ""])


def _carried(connection: Connection, batch: BatchId) -> Mapping[int, Row]:
    return {
        number: Row(
            customer_id=customer,
            record=request.record,
            outcome=row_outcome(request.record.stage, request.settlement, customer),
        )
        for request in iterate_request_rows(connection, batch)
        for number, customer in zip(request.rows.tolist(), request.customers.tolist(), strict=True)
    }


def _held(connection: Connection, batch: BatchId) -> Mapping[int, Row]:
    held = load_held_rows(connection, batch)
    rows: dict[int, Row] = {}
    for carrier in iterate_carriers(connection, held.request_ids):
        record, settlement = carrier.request.record, carrier.request.settlement
        own = set(carrier.request.customers.tolist())
        for number, customer, holder in zip(
            held.rows.tolist(), held.customers.tolist(), held.holders.tolist(), strict=True
        ):
            if held.request_ids[holder] != carrier.holder or customer not in own:
                continue
            there = row_outcome(record.stage, settlement, customer).outcome
            message = HeldFate(batch=carrier.batch, record=record, outcome=there).message
            outcome = RowOutcome(outcome=Outcome.ALREADY_ISSUED, error=ServerError(message=message))
            rows[number] = Row(customer_id=customer, record=record, outcome=outcome)
    return rows


def _repeated(connection: Connection, batch: BatchId) -> Mapping[int, int]:
    blocks = iterate_duplicates(connection, batch)
    return {row: other for a, b in blocks for row, other in zip(a.tolist(), b.tolist(), strict=True)}


def _problems(connection: Connection, batch: BatchId) -> Mapping[int, list[InputProblem]]:
    found = iterate_problems(connection, batch)
    return {row: list(some) for row, some in groupby(found, key=lambda problem: problem.row)}


def _repeating(original: Row, number: int) -> Row:
    became, message = original.outcome.outcome, f"repeats row {number}"
    if became in NEVER_ISSUED:
        message += f", which is {became.replace('_', ' ')}"
    elif became is Outcome.ALREADY_ISSUED:
        message += f", which is {original.outcome.error.message}"
    outcome = RowOutcome(outcome=Outcome.DUPLICATE, error=ServerError(message=message))
    return Row(customer_id=original.customer_id, record=original.record, outcome=outcome)
