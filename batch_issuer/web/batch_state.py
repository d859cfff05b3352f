"""How a batch stands right now, as its pages tell it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from batch_issuer.batch.outcomes import Outcome
from batch_issuer.ledger import Batch, BatchStage
from batch_issuer.ledger.batches import find_batch
from batch_issuer.ledger.leases import find_worker
from batch_issuer.ledger.live import Live, live_figures
from batch_issuer.ledger.runs import SENDING, Action, Run, makers_of, runs_of_batch
from batch_issuer.processes import Process
from batch_issuer.reports import OUTCOME_WORDS
from batch_issuer.reports.figures import count_outcomes

_SHOWN_RUNS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """What became of the rows of executed requests, when there were so many: each reply is looked at."""

    rows: int = 0
    updated_at: str = ""
    counts: Mapping[Outcome, int] = field(default_factory=dict)

    def holds_for(self, live: Live) -> bool:
        """Tell whether nothing of the batch has changed since."""
        return (self.rows, self.updated_at) == (live.executed, live.updated_at)


class Remembered:
    """What was counted of the batches that were looked at last, so that a page need not count it again."""

    def __init__(self, most: int = 200) -> None:
        """Know nothing yet."""
        self._most = most
        self._known: dict[str, Executed] = {}

    def of(self, batch: str) -> Executed | None:
        """Return what is known of a batch."""
        return self._known.get(batch)

    def keep(self, state: "BatchState") -> None:
        """Take down what was counted; of too many the ones that were kept first are forgotten."""
        self._known.pop(state.batch.batch, None)
        self._known[state.batch.batch] = state.executed
        if len(self._known) > self._most:
            del self._known[next(iter(self._known))]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchState:
    """A batch with all that its page shows at the top."""

    batch: Batch
    live: Live
    counts: Mapping[Outcome, int]
    """The rows by outcome."""
    executed: Executed = field(default_factory=Executed)
    runs: tuple[Run, ...] = ()
    """The latest, first those that were asked for last."""
    makers: frozenset[str] = frozenset()
    worker: Process | None = None
    """The process that records or sends it now, also where that is a command somewhere."""

    @property
    def open_runs(self) -> tuple[Run, ...]:
        """Those that have not ended."""
        return tuple(run for run in self.runs if run.is_open)

    @property
    def sending(self) -> Run | None:
        """The run that records or sends it now."""
        return next((run for run in self.open_runs if run.action in SENDING), None)

    @property
    def last(self) -> Run | None:
        """The run that ended last, as far as one did."""
        ended = [run for run in self.runs if not run.is_open]
        return max(ended, key=lambda run: run.ended_at, default=None)

    def is_open(self, *actions: Action) -> bool:
        """Tell whether a run that does one of these has not ended."""
        return any(run.action in actions for run in self.open_runs)

    @property
    def mark(self) -> str:
        """Changes where more than figures change: then the page is asked for anew."""
        runs = (f"{run.run}{run.ended_at}" for run in self.runs)
        elsewhere = "elsewhere" if self.works_elsewhere else ""
        return "-".join((self.batch.stage, self.batch.finished_at, elsewhere, *runs))

    @property
    def works_elsewhere(self) -> bool:
        """Whether a process works on it that was not asked to by this console."""
        return self.worker is not None and self.sending is None

    @property
    def rows(self) -> int:
        """How many rows the outcomes are of."""
        return sum(self.counts.values())


def read_state(
    connection: Connection,
    batch: str,
    *,
    now: datetime,
    known: Executed | None = None,
    is_exact: bool = True,
) -> BatchState | None:
    """Read how a batch stands; what was looked at before is not looked at again.

    Where it need not be exact, and a run is under way, what was executed since then counts as waiting.
    """
    found = find_batch(connection, batch)
    if found is None:
        return None
    live = live_figures(connection, batch)
    runs = tuple(runs_of_batch(connection, batch, limit=_SHOWN_RUNS))
    is_exact = is_exact or not any(run.is_open for run in runs)
    executed = _executed(connection, found, live, known, is_exact=is_exact)
    return BatchState(
        batch=found,
        live=live,
        counts=_in_order(_counts(found, live, executed)),
        executed=executed,
        runs=runs,
        makers=makers_of(connection, batch),
        worker=find_worker(connection, batch, now),
    )


def _executed(
    connection: Connection, batch: Batch, live: Live, known: Executed | None, *, is_exact: bool
) -> Executed:
    if not live.executed or batch.stage is BatchStage.RECORDING or batch.pruned_at:
        return Executed()
    if known is not None and (known.holds_for(live) or not is_exact):
        return known
    exact = count_outcomes(connection, batch)
    others = _counts(batch, live, Executed(rows=live.executed, counts={Outcome.PENDING: live.executed}))
    others[Outcome.PENDING] -= live.executed
    return Executed(rows=live.executed, updated_at=live.updated_at, counts=dict(exact - others))


def _counts(batch: Batch, live: Live, executed: Executed) -> Counter[Outcome]:
    if batch.pruned_at:
        return Counter({Outcome(word): count for word, count in batch.figures["counts"].items()})
    if batch.stage is BatchStage.RECORDING:
        return Counter()
    counts = Counter(dict(live.rows))
    counts.update(executed.counts)
    counts[Outcome.PENDING] += max(0, live.executed - sum(executed.counts.values()))
    counts[Outcome.INVALID] += batch.invalid
    counts[Outcome.DUPLICATE] += batch.duplicates
    counts[Outcome.ALREADY_ISSUED] += batch.already_issued
    return counts


def _in_order(counts: Mapping[Outcome, int]) -> dict[Outcome, int]:
    return {outcome: counts[outcome] for outcome in OUTCOME_WORDS if counts.get(outcome, 0)}


def quick_counts(connection: Connection, batch: Batch) -> Mapping[Outcome, int]:
    """Count rows by what requests say as a whole; those of executed ones count as waiting."""
    return _in_order(_counts(batch, live_figures(connection, batch.batch), Executed()))
