"""How the batches of one server and organisation stand, from the ledger alone."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.batch.ids import BatchId
from batch_issuer.batch.outcomes import FINAL_STATES, Outcome
from batch_issuer.batch.stages import Stage
from batch_issuer.clock import format_instant
from batch_issuer.ledger import Batch, BatchStage
from batch_issuer.ledger.batches import list_batches
from batch_issuer.ledger.request_tallies import RequestKind, latest_changes, tally_requests
from batch_issuer.ledger.requests import unfinished_batches
from batch_issuer.reports import shown_state
from batch_issuer.reports.figures import count_outcomes

ROWS_OF_DAYS: Final = 30
"""Rows are counted over the batches of so many days: those of all time would only ever grow."""
OTHER: Final = "other"
STATES: Final = (
    *("AdminTask", *sorted(FINAL_STATES)),
    *(Stage.NOT_SENT.value, Stage.IN_DOUBT.value, Stage.SPLIT.value, Stage.RETRIED.value),
)
"""The states that are counted by name. A server may invent more, and a label must not grow with that."""
SUCCESS: Final = frozenset({ExitCode.DONE, ExitCode.ROWS_NEED_A_LOOK})


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerFigures:
    """How the batches stand."""

    rows: Mapping[Outcome, int]
    requests: Mapping[str, int]
    """By the server's state, or ours where it has said none."""
    statuses: Mapping[int, int]
    """How many requests were last answered with which HTTP status."""
    attempts: int
    unfinished: int
    """Batches that `resume` goes on with."""
    pending_since: datetime | None
    """When the request that has waited longest for a checker was submitted."""
    last_success: datetime | None
    """When the latest batch was done."""


def read_figures(connection: Connection, *, base_url: str, org_id: str, now: datetime) -> LedgerFigures:
    """Read how the batches of a server and organisation stand."""
    batches = [
        known for known in list_batches(connection) if (known.base_url, known.org_id) == (base_url, org_id)
    ]
    kinds = tally_requests(connection, base_url=base_url, org_id=org_id)
    waiting = [kind.pending_since for kind in kinds if kind.pending_since]
    done = [batch.finished_at for batch in batches if batch.exit_code in SUCCESS and batch.finished_at]
    left = unfinished_batches(connection)
    unfinished = frozenset(batch.batch for batch in batches if _is_unfinished(batch, left))
    return LedgerFigures(
        rows=_count_rows(connection, batches, unfinished, since=now - timedelta(days=ROWS_OF_DAYS)),
        requests=_count_states(kinds),
        statuses=_count_statuses(kinds),
        attempts=sum(kind.attempts for kind in kinds),
        unfinished=len(unfinished),
        pending_since=datetime.fromisoformat(min(waiting)) if waiting else None,
        last_success=datetime.fromisoformat(max(done)) if done else None,
    )


def _count_rows(
    connection: Connection, batches: Iterable[Batch], unfinished: frozenset[BatchId], *, since: datetime
) -> Counter[Outcome]:
    """Add up what was counted when the files were written, but count anew what has changed after that."""
    first = format_instant(since)
    changed = latest_changes(connection, since=first)
    counts: Counter[Outcome] = Counter()
    for batch in batches:
        if batch.stage is not BatchStage.ACCEPTED or batch.created_at < first:
            continue
        has_changed = batch.batch in unfinished or changed.get(batch.batch, "") > batch.finished_at
        if has_changed or not batch.counts:
            counts += count_outcomes(connection, batch)
        else:
            counts += Counter({Outcome(outcome): count for outcome, count in batch.counts.items()})
    return counts


def _count_states(kinds: Iterable[RequestKind]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for kind in kinds:
        state = shown_state(kind.stage, kind.state)
        counts[state if state in STATES else OTHER] += kind.requests
    return counts


def _count_statuses(kinds: Iterable[RequestKind]) -> Counter[int]:
    counts: Counter[int] = Counter()
    for kind in kinds:
        if kind.http_status is not None:
            counts[kind.http_status] += kind.requests
    return counts


def _is_unfinished(batch: Batch, unfinished: frozenset[BatchId]) -> bool:
    is_accepted = batch.stage is BatchStage.ACCEPTED
    return batch.stage is BatchStage.RECORDING or (is_accepted and batch.batch in unfinished)
