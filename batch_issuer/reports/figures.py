"""One batch's figures from the ledger alone, without reading its input or writing a file."""

from collections import Counter
from pathlib import Path

import numpy as np
from sqlalchemy import Connection

from batch_issuer.batch.exit_codes import ExitCode, exit_code
from batch_issuer.batch.ids import RequestId
from batch_issuer.batch.outcomes import Outcome
from batch_issuer.ledger import Batch, BatchStage
from batch_issuer.ledger.batches import iterate_problem_blocks
from batch_issuer.ledger.request_columns import (
    CarriedRows,
    RequestColumns,
    iterate_request_columns,
    load_replies,
)
from batch_issuer.reports.fates import EACH_REPLY_DECIDES, Fates
from batch_issuer.reports.held import HeldAccounts
from batch_issuer.reports.replied import tell
from batch_issuer.reports.request_tally import RequestTally
from batch_issuer.reports.summary import ProblemTally, Summary, next_command


def summarise(connection: Connection, batch: Batch, folder: Path) -> Summary:
    """Count the outcomes of a batch's rows and the states of its requests."""
    tally = RequestTally()
    counts = count_outcomes(connection, batch, tally)
    in_vain = HeldAccounts(connection, batch.batch).count_in_vain()
    problems = ProblemTally()
    for found in iterate_problem_blocks(connection, batch.batch):
        problems.add_all(found)
    is_refused = batch.stage is BatchStage.REFUSED
    return Summary(
        batch=batch,
        folder=folder,
        counts=counts,
        states=dict(tally.states),
        requests=tally.states.total(),
        rows_out=sum(counts.values()),
        in_vain=in_vain,
        exit_code=ExitCode.INPUT_REFUSED if is_refused else exit_code(counts, in_vain=in_vain),
        next_command=next_command(batch, counts, folder, retriable=tally.retriable),
        problems=problems,
    )


def count_outcomes(
    connection: Connection, batch: Batch, tally: RequestTally | None = None
) -> Counter[Outcome]:
    """Count the outcomes of a batch's rows, in blocks; a tally is given its requests."""
    counts: Counter[Outcome] = Counter()
    for requests, carried in iterate_request_columns(connection, batch.batch):
        if tally is not None:
            tally.add(requests)
        counts += _outcomes(connection, requests, carried)
    counts += Counter(
        {
            Outcome.INVALID: batch.invalid,
            Outcome.DUPLICATE: batch.duplicates,
            Outcome.ALREADY_ISSUED: batch.already_issued,
        }
    )
    return counts


def _outcomes(connection: Connection, requests: RequestColumns, carried: CarriedRows) -> Counter[Outcome]:
    """Count the outcomes of the rows of some requests."""
    fates = Fates.of(requests)
    ids = [RequestId(one) for one in requests.request_id]
    executed = np.flatnonzero(fates.outcomes == EACH_REPLY_DECIDES).tolist()
    found = load_replies(connection, [ids[n] for n in executed])
    which = np.repeat(np.arange(len(ids)), carried.counts)
    told = tell(fates, which, carried.customers, [found.get(one) for one in ids])
    return told.fates.count(told.fate_of)
