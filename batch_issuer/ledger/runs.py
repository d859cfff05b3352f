"""Queries on runs: what a console was asked to do in the background, and how each of them ended."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, Self

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, insert, or_, select, update

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.batch.ids import BatchId
from batch_issuer.ledger import tables
from batch_issuer.ledger.batches import BatchStage
from batch_issuer.ledger.dialects import upsert

_known, _of = tables.runs.c, tables.batches.c


class Action(StrEnum):
    """What a run does."""

    ISSUE = "issue"
    RESUME = "resume"
    RETRY = "retry"
    REFRESH = "refresh"
    APPROVE = "approve"
    REJECT = "reject"


SENDING: Final = frozenset({Action.ISSUE, Action.RESUME, Action.RETRY})
"""Who did one of these is a maker of the batch, and can't be its checker."""
DECIDING: Final = frozenset({Action.APPROVE, Action.REJECT})
_KIND: Final = {**dict.fromkeys(SENDING, "send"), Action.REFRESH: "refresh"}
"""Of each kind a batch has one open run at most; the others decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One thing that a console was asked to do in the background."""

    run: str
    action: Action
    upload: str = ""
    batch: str = ""
    """Of one that issues it is known only once there is one."""
    user: str
    via: str
    options: Mapping[str, Any] = field(default_factory=dict)
    made_at: str
    ended_at: str = ""
    exit_code: ExitCode | None = None
    message: str = ""

    @classmethod
    def from_row(cls, row: Row[Any]) -> Self:
        """Read a row of the table."""
        facts = row._asdict()
        facts.pop("occupies")
        code = facts["exit_code"]
        return cls(
            **{
                **facts,
                "action": Action(facts["action"]),
                "options": json.loads(facts["options"] or "{}"),
                "exit_code": None if code is None else ExitCode(code),
            }
        )

    @property
    def is_open(self) -> bool:
        """Whether it has not ended yet."""
        return not self.ended_at

    @property
    def occupies(self) -> str:
        """What no other open run may occupy."""
        if self.action is Action.ISSUE:
            return f"upload {self.upload}"
        return f"{_KIND.get(self.action, 'decide')} {self.batch}"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKey:
    """The name that a caller gave to one wish, and a digest of what was wished."""

    key: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the ledger holds under a key."""

    digest: str
    run: str


def add_run(connection: Connection, run: Run, key: IdempotencyKey | None = None) -> Run:
    """Record a run, and return it; where another one stands in its way, record nothing and return that."""
    other = _in_the_way_of(connection, run)
    if other is not None:
        return other
    earlier = _refused_earlier(connection, run)
    made = replace(run, options={**run.options, "earlier": earlier}) if earlier else run
    values = {**asdict(made), "options": json.dumps(dict(made.options)), "occupies": made.occupies}
    added = upsert(connection, tables.runs).values(**values).on_conflict_do_nothing()
    if connection.execute(added.returning(_known.run)).scalar_one_or_none() is None:
        holder = select(tables.runs).where(_known.occupies == made.occupies)
        return _with_batch(connection, Run.from_row(connection.execute(holder).one()))
    if key is not None:
        kept = {
            "user": run.user,
            "key": key.key,
            "digest": key.digest,
            "run": run.run,
            "made_at": run.made_at,
        }
        connection.execute(insert(tables.idempotency_keys).values(**kept))
    return made


def find_key(connection: Connection, user: str, key: str) -> Kept | None:
    """Return what a user has made under a key."""
    keys = tables.idempotency_keys.c
    query = select(keys.digest, keys.run).where(keys.user == user, keys.key == key)
    row = connection.execute(query).one_or_none()
    return None if row is None else Kept(digest=row.digest, run=row.run)


def find_run(connection: Connection, run: str) -> Run | None:
    """Return one run, with its batch as far as there is one."""
    row = connection.execute(select(tables.runs).where(_known.run == run)).one_or_none()
    return None if row is None else _with_batch(connection, Run.from_row(row))


def list_open_runs(connection: Connection) -> list[Run]:
    """Return the runs that have not ended, the oldest first."""
    query = select(tables.runs).where(_known.ended_at == "").order_by(_known.made_at, _known.run)
    return [_with_batch(connection, Run.from_row(row)) for row in connection.execute(query)]


def runs_of_batch(connection: Connection, batch: str, *, limit: int = 50) -> list[Run]:
    """Return the runs of a batch, the latest first."""
    query = _of_batch(batch).order_by(_known.made_at.desc(), _known.run.desc()).limit(limit)
    return [_with_batch(connection, Run.from_row(row)) for row in connection.execute(query)]


def runs_of_upload(connection: Connection, upload: str) -> list[Run]:
    """Return the runs that issued an upload, the latest first."""
    query = (
        select(tables.runs).where(_known.upload == upload).order_by(_known.made_at.desc(), _known.run.desc())
    )
    return [_with_batch(connection, Run.from_row(row)) for row in connection.execute(query)]


def makers_of(connection: Connection, batch: str) -> frozenset[str]:
    """Name who issued, resumed or retried a batch."""
    issued_by = select(_of.issued_by).where(_of.batch == batch)
    sent_by = _of_batch(batch).where(_known.action.in_(SENDING)).with_only_columns(_known.user)
    users = {*connection.execute(issued_by).scalars(), *connection.execute(sent_by).scalars()}
    return frozenset(users - {""})


def note_batch(connection: Connection, run: Run, batch: BatchId) -> None:
    """Record which batch came of a run that issues, and of its upload, unless that was refused."""
    connection.execute(update(tables.runs).where(_known.run == run.run).values(batch=batch))
    uploads = tables.uploads
    of_upload = update(uploads).where(
        uploads.c.upload == run.upload, _has_come_to_a_batch(run.upload, BatchStage.ACCEPTED)
    )
    connection.execute(of_upload.values(batch=batch))


def end_run(connection: Connection, run: str, *, at: str, exit_code: ExitCode, message: str) -> bool:
    """Record how a run ended; False where it had ended before."""
    ended = update(tables.runs).where(_known.run == run, _known.ended_at == "")
    values = {"ended_at": at, "exit_code": int(exit_code), "message": message, "occupies": None}
    return connection.execute(ended.values(**values)).rowcount == 1


def _of_batch(batch: str) -> Select[Any]:
    """Select the runs of a batch, also the one that issues it and has not noted it yet."""
    of_upload = select(_of.upload).where(_of.batch == batch, _of.upload != "")
    issues_it = and_(_known.action == Action.ISSUE, _known.batch == "", _known.upload.in_(of_upload))
    return select(tables.runs).where(or_(_known.batch == batch, issues_it))


def _in_the_way_of(connection: Connection, run: Run) -> Run | None:
    """Return the run that has issued the upload, sends the same batch now, or decides it for this user."""
    if run.action is Action.ISSUE:
        has_issued = _has_come_to_a_batch(run.upload, BatchStage.RECORDING, BatchStage.ACCEPTED)
        query = select(tables.runs).where(_known.upload == run.upload, _known.action == Action.ISSUE)
        query = query.where(or_(_known.ended_at == "", has_issued))
    elif run.action in SENDING:
        query = _of_batch(run.batch).where(_known.ended_at == "")
        # a decision holds for all that waits when it gets there: not for what the same user adds meanwhile
        own_decision = and_(_known.action.in_(DECIDING), _known.user == run.user)
        query = query.where(or_(_known.action.in_(SENDING), own_decision))
    else:
        return None  # what it occupies says it all
    row = connection.execute(query.order_by(_known.made_at.desc(), _known.run.desc()).limit(1)).one_or_none()
    return None if row is None else _with_batch(connection, Run.from_row(row))


def _has_come_to_a_batch(upload: str, *stages: BatchStage) -> ColumnElement[bool]:
    """Tell whether an upload became a batch of some stages."""
    return select(_of.batch).where(_of.upload == upload, _of.stage.in_(stages)).exists()


def _refused_earlier(connection: Connection, run: Run) -> Sequence[str]:
    """Name the batches that an upload came to before, all refused: they are not what the run makes."""
    if run.action is not Action.ISSUE:
        return []
    return list(connection.execute(select(_of.batch).where(_of.upload == run.upload)).scalars())


def _with_batch(connection: Connection, run: Run) -> Run:
    """Add the batch that a run has made, where it has not been noted yet."""
    if run.batch or run.action is not Action.ISSUE:
        return run
    query = select(func.max(_of.batch)).where(_of.upload == run.upload)
    query = query.where(_of.batch.not_in(run.options.get("earlier", [])))
    return replace(run, batch=connection.execute(query).scalar_one() or "")
