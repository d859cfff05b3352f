"""What the API answers with: each answer is written by the model that describes it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Self, TypeAlias

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from batch_issuer.batch.ids import BatchId
from batch_issuer.batch.outcomes import Outcome
from batch_issuer.ledger import Batch, BatchStage, RequestRecord
from batch_issuer.ledger.request_pages import FoundRequests
from batch_issuer.ledger.runs import Action, Run
from batch_issuer.reports import FoundRows, shown_state
from batch_issuer.runs import RunProgress

Count = Annotated[int, Field(ge=0)]
Code = Annotated[int, Field(ge=0, le=7)]
BatchName = Annotated[BatchId, Field(pattern="^[0-9]{8}-[0-9]{6}-[0-9a-f]{6}$")]
RunName: TypeAlias = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
Cursor = Annotated[
    str, Field(description="Where the next page begins: give it as `after`; empty at the end.")
]


class Answer(BaseModel):
    """What a caller gets; there may be more in it some day. An empty text means: not yet, or left out."""

    model_config = ConfigDict(frozen=True)


class RunState(StrEnum):
    """How far a run has come."""

    WAITS = "waits"
    UNDER_WAY = "under_way"
    ENDED = "ended"


class ProgressAnswer(Answer):
    """How far a run has come in figures, while it is under way."""

    rows_checked: Count
    requests_planned: Count | None = Field(description="null until that is known.")
    requests_at_rest: Count


class RunAnswer(Answer):
    """One thing that was asked for, which the server does in the background."""

    run: RunName
    action: Action
    state: RunState
    batch: str = Field(description="The batch; one that is being issued has its id once it is accepted.")
    user: str
    via: str
    made_at: str
    ended_at: str
    exit_code: Code | None = Field(description="How it ended, by the exit codes of the commands.")
    message: str = Field(description="Why it stopped or was refused, where it did.")
    progress: ProgressAnswer | None

    @classmethod
    def of(cls, run: Run, progress: RunProgress | None, *, message: str) -> Self:
        """Describe a run."""
        return cls(
            run=run.run,
            action=run.action,
            state=_state(run, progress),
            batch=run.batch,
            user=run.user,
            via=run.via,
            made_at=run.made_at,
            ended_at=run.ended_at,
            exit_code=run.exit_code,
            message=message,
            progress=None if progress is None or not run.is_open else _progress(progress),
        )


def _state(run: Run, progress: RunProgress | None) -> RunState:
    if not run.is_open:
        return RunState.ENDED
    return RunState.UNDER_WAY if progress is not None and not progress.is_waiting else RunState.WAITS


def _progress(progress: RunProgress) -> ProgressAnswer:
    return ProgressAnswer(
        rows_checked=progress.checked,
        requests_planned=progress.planned,
        requests_at_rest=progress.at_rest,
    )


class BatchLine(Answer):
    """One batch of the list."""

    batch: BatchName
    name: str
    input: str = Field(description="What the file was called.")
    rows: Count
    stage: BatchStage
    issued_by: str
    started_at: str
    finished_at: str
    exit_code: Code | None
    counts: dict[Outcome, Count] = Field(
        description="Rows by outcome when the files of the batch were last written."
    )
    pruned_at: str

    @classmethod
    def of(cls, batch: Batch) -> Self:
        """Describe a batch."""
        return cls(
            batch=batch.batch,
            name=batch.name,
            input=batch.input_name,
            rows=batch.rows,
            stage=batch.stage,
            issued_by=batch.issued_by,
            started_at=batch.started_at,
            finished_at=batch.finished_at,
            exit_code=batch.exit_code,
            counts={Outcome(outcome): count for outcome, count in batch.counts.items()},
            pruned_at=batch.pruned_at,
        )


class BatchPage(Answer):
    """Some batches, the latest first."""

    batches: list[BatchLine]
    next: Cursor


class RowLine(Answer):
    """What became of one row: the columns of `reconciliation.csv`."""

    row: Annotated[int, Field(ge=1)]
    customer_id: str
    badge_meta_id: str
    outcome: Outcome
    request_id: str
    workflow_request_id: str
    state: str
    issued_id: str
    error_code: str
    error_message: str
    attempts: str
    submitted_at: str
    updated_at: str


class RowPage(Answer):
    """Some rows, in the order of the input."""

    rows: list[RowLine]
    next: Cursor

    @classmethod
    def of(cls, found: FoundRows) -> Self:
        """Take a page of rows."""
        rows = [RowLine.model_validate(row) for row in found.rows]
        return cls(rows=rows, next="" if found.next_after is None else str(found.next_after))


class RequestLine(Answer):
    """One request: the columns of `requests.csv`."""

    request_id: str
    workflow_request_id: str
    badge_meta_id: str
    owner_type: str
    reference_id: str
    issue_event_date: str
    customers: Count
    state: str
    http_status: int | None
    error_code: str
    error_message: str
    attempts: Count
    submitted_at: str
    updated_at: str

    @classmethod
    def of(cls, record: RequestRecord) -> Self:
        """Describe a request."""
        return cls(
            request_id=record.request_id,
            workflow_request_id=record.workflow_request_id or "",
            badge_meta_id=record.group.badge_meta_id,
            owner_type=record.group.owner_type,
            reference_id=record.group.reference_id,
            issue_event_date=record.group.issue_event_date,
            customers=record.customers,
            state=shown_state(record.stage, record.state),
            http_status=record.http_status,
            error_code=record.error.code,
            error_message=record.error.message,
            attempts=record.attempts,
            submitted_at=record.submitted_at,
            updated_at=record.updated_at,
        )


class RequestPage(Answer):
    """Some requests, in order of their chunks."""

    requests: list[RequestLine]
    next: Cursor

    @classmethod
    def of(cls, found: FoundRequests) -> Self:
        """Take a page of requests."""
        lines = [RequestLine.of(record) for record in found.requests]
        return cls(requests=lines, next="" if found.next_after is None else str(found.next_after))


class FileLine(Answer):
    """One file of a batch."""

    name: str
    bytes: Count
    content_type: str
    url: str = Field(description="Where it is, from the root of the console.")


class FileList(Answer):
    """The files of a batch that there are."""

    files: list[FileLine]


class FieldAnswer(Answer):
    """One thing that is wrong with what was sent."""

    field: str
    message: str


class ProblemAnswer(Answer):
    """Why something was not done, after RFC 9457."""

    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    errors: list[FieldAnswer] = Field(
        default=[], description="The fields that are wrong, where fields are wrong."
    )


def answer(said: Answer, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Write an answer."""
    return web.Response(
        body=said.model_dump_json().encode(),
        content_type="application/json",
        status=status,
        headers=headers,
    )
