"""What the server says of our requests: every twin is kept, and the one that counts decides."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, RowMapping, bindparam, case, or_, select, update
from sqlalchemy.sql import ClauseElement

from batch_issuer.batch.ids import RequestId, WorkflowRequestId
from batch_issuer.batch.outcomes import Outcome, ServerError, ServerRequest, Settlement
from batch_issuer.batch.stages import Stage
from batch_issuer.batch.twins import Twin, choose_twin, twin_of
from batch_issuer.ledger import tables
from batch_issuer.ledger.dialects import upsert
from batch_issuer.ledger.packing import pack_replies
from batch_issuer.ledger.prepared import Prepared

_IDS_IN_QUERY: Final = 500
_twins = tables.workflow_requests.c
_known = tables.requests.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the server says of a request, in an answer or in its list; a final state stands for good."""

    request_id: RequestId
    at: str
    said: ServerRequest
    settlement: Settlement


SPOKEN: Final[Mapping[str, BindParameter[Any]]] = {
    "workflow_request_id": bindparam("workflow_id"),
    "state": bindparam("state_"),
    "outcome": bindparam("outcome_"),
    "is_final": bindparam("final"),
    "is_definite": bindparam("definite"),
    "error_code": bindparam("said_code"),
    "error_message": bindparam("said_message"),
}
"""What a request takes over from the workflow request that counts for it."""
_adopt = Prepared(
    lambda _: (
        update(tables.requests)
        .where(_known.request_id == bindparam("id"))
        .values(
            stage=case(
                (or_(_known.stage == Stage.SPLIT.value, _known.stage == Stage.RETRIED.value), _known.stage),
                else_=Stage.SUBMITTED.value,
            ),
            submitted_at=case((_known.submitted_at == "", bindparam("at")), else_=_known.submitted_at),
            updated_at=bindparam("at"),
            **SPOKEN,
        )
    )
)


def _keep(connection: Connection) -> ClauseElement:
    new = upsert(connection, tables.workflow_requests)
    words = {"replies": bindparam("replies_"), "updated_at": bindparam("at"), **SPOKEN}
    return new.values(request_id=bindparam("id"), **words).on_conflict_do_update(
        index_elements=["request_id", "workflow_request_id"],
        set_={name: new.excluded[name] for name in words if name != "workflow_request_id"},
        # the first final answer stands, its replies with it: a later one must not change what was reported
        where=_twins.is_final == 0,
    )


_kept = Prepared(_keep)


def record_said(connection: Connection, steps: Sequence[Said]) -> None:
    """Keep what the server said, and let the twin that counts speak for each request."""
    if not steps:
        return
    keep_words(connection, [words_of(step) for step in steps])
    at = {step.request_id: step.at for step in steps}
    present = _present(connection, list(at))
    adopted = []
    for request_id, twins in _twins_of(connection, list(at)).items():
        chosen = _adoption(choose_twin(twins))
        if present.get(request_id) != chosen:
            adopted.append({"id": request_id, "at": at[request_id], **chosen})
    _adopt.run(connection, adopted)


def keep_words(connection: Connection, words: Sequence[Mapping[str, Any]]) -> None:
    """Keep what the server said of each workflow request, and leave to others what that means."""
    _kept.run(connection, words)


def words_of(step: Said) -> dict[str, Any]:
    """Return what the server said: to be kept, and for a request to take over if nothing else was said."""
    settlement = step.settlement
    replies = pack_replies(settlement.replies.values()) if settlement.outcome is None else None
    words = _adoption(twin_of(step.said, settlement))
    return {"id": step.request_id, "at": step.at, "replies_": replies, **words}


def twins_of(connection: Connection, request_id: RequestId) -> list[Twin]:
    """Return the workflow requests that carry one of our request ids."""
    return _twins_of(connection, [request_id]).get(request_id, [])


def _twins_of(connection: Connection, request_ids: Sequence[RequestId]) -> dict[RequestId, list[Twin]]:
    found: dict[RequestId, list[Twin]] = defaultdict(list)
    for block in _blocks(request_ids):
        query = select(tables.workflow_requests).where(_twins.request_id.in_(block))
        for row in connection.execute(query.order_by(_twins.workflow_request_id)).mappings():
            found[RequestId(row["request_id"])].append(_twin(row))
    return found


def _twin(row: RowMapping) -> Twin:
    return Twin(
        workflow_request_id=WorkflowRequestId(row["workflow_request_id"]),
        state=row["state"],
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        is_final=bool(row["is_final"]),
        is_definite=bool(row["is_definite"]),
        error=ServerError(code=row["error_code"], message=row["error_message"]),
    )


def _adoption(twin: Twin) -> dict[str, Any]:
    return {
        "workflow_id": twin.workflow_request_id,
        "state_": twin.state,
        "outcome_": "" if twin.outcome is None else twin.outcome.value,
        "final": int(twin.is_final),
        "definite": int(twin.is_definite),
        "said_code": twin.error.code,
        "said_message": twin.error.message,
    }


def _present(connection: Connection, request_ids: Sequence[RequestId]) -> dict[RequestId, dict[str, Any]]:
    """Return what the requests say now, where they speak for a twin at all."""
    present = {}
    for block in _blocks(request_ids):
        query = select(tables.requests).where(_known.request_id.in_(block), _known.stage == Stage.SUBMITTED)
        for row in connection.execute(query).mappings():
            present[RequestId(row["request_id"])] = {
                "workflow_id": row["workflow_request_id"],
                "state_": row["state"],
                "outcome_": row["outcome"],
                "final": row["is_final"],
                "definite": row["is_definite"],
                "said_code": row["error_code"],
                "said_message": row["error_message"],
            }
    return present


def _blocks(request_ids: Sequence[RequestId]) -> Iterable[Sequence[RequestId]]:
    return (request_ids[at : at + _IDS_IN_QUERY] for at in range(0, len(request_ids), _IDS_IN_QUERY))
