"""How fast the files of a batch are written, beside pyarrow and pandas writing the reconciliation alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa
from pyarrow import csv as pacsv

from batch_issuer.acceptance import Accepted
from batch_issuer.batch.ids import WorkflowRequestId
from batch_issuer.batch.outcomes import InnerAnswer, Reply, ServerRequest, settle
from batch_issuer.batch.requests import IssueRequest
from batch_issuer.batch.stages import Stage as RequestStage
from batch_issuer.ledger import Answered, Said, Sending
from batch_issuer.ledger.transitions import apply_transitions
from batch_issuer.reports.writing import Ending, write_reports
from batch_issuer.submission import Lease
from benchmarks.data import write_customers
from benchmarks.figures import Figure, Goal, in_turns
from benchmarks.stage import NOWHERE, Stage, open_stage, run, settings_for

_AT: Final = "2026-03-02T04:45:00Z"
_ONCE: Final = 1
_REQUESTS_AT_ONCE: Final = 500


def measure(rows: int, rounds: int, folder: Path) -> Iterator[Figure]:
    """Measure a batch of which nothing is sent yet, and one that is issued."""
    file = folder / "reports.csv"
    write_customers(file, rows)
    yield from run(_measure(file, rounds, folder))


async def _measure(file: Path, rounds: int, folder: Path) -> list[Figure]:
    async with open_stage(settings_for(NOWHERE, folder / "reports")) as stage:
        accepted = await stage.accept(file)
        unsent = _beside_others(stage, accepted, "not sent", rounds, folder)
        async with stage.services.lease(accepted.batch.batch) as lease:
            await _issue_all(stage, lease, stage.unsent(accepted))
        return [*unsent, *_beside_others(stage, accepted, "issued", rounds, folder)]


def _beside_others(stage: Stage, accepted: Accepted, state: str, rounds: int, folder: Path) -> list[Figure]:
    """Write the files of a batch, and the reconciliation alone with others, in turns."""
    _write(stage, accepted)
    table = read_back(accepted.folder)
    ours, arrow = in_turns(
        rounds, lambda: _write(stage, accepted), lambda: pacsv.write_csv(table, folder / "arrow.csv")
    )
    frame = table.to_pandas()
    (pandas,) = in_turns(_ONCE, lambda: frame.to_csv(folder / "pandas.csv", index=False))
    what = f"all files of a batch of {table.num_rows:,} rows, {state}"
    return [
        Figure(
            name=what,
            ours=ours,
            against="pyarrow writes the reconciliation",
            other=arrow,
            goal=Goal(bound=1.5),
        ),
        Figure(
            name=what,
            ours=ours,
            against="pandas writes the reconciliation",
            other=pandas,
            goal=Goal(bound=0.2),
        ),
    ]


def _write(stage: Stage, accepted: Accepted) -> None:
    ending = Ending(finished_at=_AT)
    with stage.services.ledger.snapshot() as connection:
        write_reports(
            connection, batch=accepted.batch, source=accepted.source, folder=accepted.folder, ending=ending
        )


def read_back(folder: Path) -> pa.Table:
    """Read the reconciliation of a batch as text: times that were told apart would be slow to write."""
    path = folder / "reconciliation.csv"
    names = pd.read_csv(path, nrows=0).columns
    texts = dict.fromkeys(names, pa.string())
    return pacsv.read_csv(path, convert_options=pacsv.ConvertOptions(column_types=texts))


async def _issue_all(stage: Stage, lease: Lease, requests: list[IssueRequest]) -> None:
    """Record that each request was approved, and each of its customers issued an id."""
    for at in range(0, len(requests), _REQUESTS_AT_ONCE):
        block = requests[at : at + _REQUESTS_AT_ONCE]
        sending = [Sending(lease=lease.key, request_id=r.request_id, attempt=1, at=_AT) for r in block]
        await stage.services.ledger.write(apply_transitions, sending)
        answered = [_issued(lease, request) for request in block]
        await stage.services.ledger.write(apply_transitions, answered)


def _issued(lease: Lease, request: IssueRequest) -> Answered:
    replies = tuple(
        Reply(customer_id=customer, issued_id=f"{customer * 7919:024x}", error=None)
        for customer in request.customers.tolist()
    )
    told = ServerRequest(
        workflow_request_id=WorkflowRequestId(str(request.chunk)),
        request_id=request.request_id,
        state="approved",
        inner=InnerAnswer(status=200, has_data=True, error=None, replies=replies),
    )
    said = Said(request_id=request.request_id, at=_AT, said=told, settlement=settle(told))
    return Answered(
        lease=lease.key,
        request_id=request.request_id,
        attempt=1,
        sent_at=_AT,
        at=_AT,
        stage=RequestStage.SUBMITTED,
        http_status=200,
        said=said,
    )
