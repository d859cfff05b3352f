"""The figures of one batch while it is under way: counted by the database, in one pass over its requests."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, RowMapping, case, func, select

from batch_issuer.batch.outcomes import Outcome
from batch_issuer.batch.stages import Stage
from batch_issuer.ledger import tables

_known = tables.requests.c
_OWN_NO_ROWS: Final = frozenset({Stage.SPLIT, Stage.RETRIED})
"""Others own the rows of these."""
_WORDS: Final = {
    Stage.NOT_SENT: Outcome.NOT_SENT,
    Stage.SENDING: Outcome.IN_DOUBT,
    Stage.IN_DOUBT: Outcome.IN_DOUBT,
    Stage.REFUSED: Outcome.FAILED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """How the requests of a batch stand; rows are counted by what their request says as a whole."""

    requests: int = 0
    at_rest: int = 0
    """Those that our side has nothing more to do for now."""
    stages: Mapping[Stage, int] = field(default_factory=dict)
    rows: Mapping[Outcome, int] = field(default_factory=dict)
    """Without the executed ones: there each customer's reply decides."""
    executed: int = 0
    """Rows of requests that were executed."""
    retriable: int = 0
    """Requests that may be sent again under new ids, by the rule of `may_be_retried`."""
    waiting: int = 0
    """Requests that wait for a checker."""
    waiting_since: str = ""
    """When the first of those was submitted."""
    updated_at: str = ""
    """When any of them last changed."""


def live_figures(connection: Connection, batch: str) -> Live:
    """Count the requests of a batch, and the rows that they carry."""
    is_pending = (_known.stage == Stage.SUBMITTED) & (_known.outcome == Outcome.PENDING)
    was_refused = (_known.stage == Stage.REFUSED) & (_known.doubts == 0)
    ran_in_vain = (_known.stage == Stage.SUBMITTED) & (_known.outcome == Outcome.FAILED)
    is_retriable = was_refused | (ran_in_vain & (_known.is_definite == 1))
    since = case((_known.submitted_at != "", _known.submitted_at), else_=_known.updated_at)
    found = connection.execute(
        select(
            *(_known.stage, _known.outcome),
            func.count().label("requests"),
            func.sum(_known.customers).label("customers"),
            func.sum(case((is_retriable, 1), else_=0)).label("retriable"),
            func.min(case((is_pending, since))).label("waiting_since"),
            func.max(_known.updated_at).label("updated_at"),
        )
        .where(_known.batch == batch)
        .group_by(_known.stage, _known.outcome)
    )
    return _figures(found.mappings().all())


def _figures(kinds: Sequence[RowMapping]) -> Live:
    """Put together what was counted of each kind of requests."""
    stages, rows = Counter[Stage](), Counter[Outcome]()
    executed = 0
    for kind in kinds:
        stage, customers = Stage(kind["stage"]), int(kind["customers"])
        stages[stage] += kind["requests"]
        word = _word(stage, kind["outcome"])
        if word is not None:
            rows[word] += customers
        elif stage is Stage.SUBMITTED:
            executed += customers
    waiting = [kind for kind in kinds if kind["waiting_since"]]
    unsent = sum(stages[stage] for stage in (Stage.NOT_SENT, Stage.SENDING, Stage.IN_DOUBT))
    requests = stages.total() - sum(stages[stage] for stage in _OWN_NO_ROWS)
    return Live(
        requests=requests,
        at_rest=requests - unsent,
        stages=dict(stages),
        rows=dict(rows),
        executed=executed,
        retriable=sum(int(kind["retriable"]) for kind in kinds),
        waiting=sum(kind["requests"] for kind in waiting),
        waiting_since=min((kind["waiting_since"] for kind in waiting), default=""),
        updated_at=max((kind["updated_at"] for kind in kinds), default=""),
    )


def _word(stage: Stage, outcome: str) -> Outcome | None:
    """Say what became of all rows of a request; nothing where others own them, or each reply decides."""
    if stage in _OWN_NO_ROWS:
        return None
    if stage is Stage.SUBMITTED:
        return Outcome(outcome) if outcome else None
    return _WORDS[stage]
