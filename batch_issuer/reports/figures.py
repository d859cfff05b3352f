"""One batch's figures from the ledger alone, without reading its input or writing a file."""

from collections import Counter
from pathlib import Path

from sqlalchemy import Connection

from batch_issuer.batch.exit_codes import ExitCode, exit_code
from batch_issuer.batch.outcomes import Outcome, row_outcome
from batch_issuer.ledger import Batch, BatchStage
from batch_issuer.ledger.batches import iterate_problems
from batch_issuer.ledger.request_rows import iterate_request_rows
from batch_issuer.ledger.requests import iterate_records
from batch_issuer.reports.held import HeldAccounts
from batch_issuer.reports.requests_file import shown_state
from batch_issuer.reports.summary import ProblemTally, Summary, next_command


def summarise(connection: Connection, batch: Batch, folder: Path) -> Summary:
    """Count the outcomes of a batch's rows and the states of its requests."""
    counts: Counter[Outcome] = Counter()
    states: Counter[str] = Counter()
    retriable = 0
    for record in iterate_records(connection, batch.batch):
        states[shown_state(record)] += 1
        retriable += record.is_retriable
    for request in iterate_request_rows(connection, batch.batch):
        for customer_id in request.customers.tolist():
            counts[row_outcome(request.record.stage, request.settlement, customer_id).outcome] += 1
    counts += Counter(
        {
            Outcome.INVALID: batch.invalid,
            Outcome.DUPLICATE: batch.duplicates,
            Outcome.ALREADY_ISSUED: batch.already_issued,
        }
    )
    in_vain = HeldAccounts(connection, batch.batch).count_in_vain()
    problems = ProblemTally()
    for problem in iterate_problems(connection, batch.batch):
        problems.add(problem)
    is_refused = batch.stage is BatchStage.REFUSED
    return Summary(
        batch=batch,
        folder=folder,
        counts=counts,
        states=dict(states),
        requests=sum(states.values()),
        rows_out=sum(counts.values()),
        in_vain=in_vain,
        exit_code=ExitCode.INPUT_REFUSED if is_refused else exit_code(counts, in_vain=in_vain),
        next_command=next_command(batch, counts, folder, retriable=retriable),
        problems=problems,
    )
