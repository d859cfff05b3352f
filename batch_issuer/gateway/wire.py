"""Our values as the contract's JSON, and the contract's JSON as our values; pure, and lenient in reading."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any, Final

import orjson

from batch_issuer.batch.badges import Badge
from batch_issuer.batch.ids import RequestId, WorkflowRequestId
from batch_issuer.batch.outcomes import InnerAnswer, Reply, ServerError, ServerRequest
from batch_issuer.batch.requests import IssueRequest
from batch_issuer.gateway.access import InnerCall, OAuthClient

Redact = Callable[[str], str]

ISSUE_BULK_PATH: Final = "/api_gateway/v1/badges/badgeMeta/customer/issueBulk"
PAGE_SIZE: Final = 100
_MESSAGE_CHARS: Final = 300
_EXACT_FLOATS: Final = 2**53
_LARGEST_SECONDS: Final = 1e11
"""More seconds than this since 1970 are milliseconds: samples hold both."""


def issue_badge_body(request: IssueRequest, inner: InnerCall) -> bytes:
    """Write the body of a submission (contract, IssueBadgeRequest)."""
    group = request.group
    bulk: dict[str, Any] = {
        "badgeMetaId": group.badge_meta_id,
        "customers": request.customers,
        "requestId": request.request_id,
    }
    if group.owner_type:
        bulk["triggeredBy"] = {"ownerType": group.owner_type, "referenceId": group.reference_id}
    if group.issue_event_date:
        bulk["issueEventDateISO"] = group.issue_event_date
    task: dict[str, Any] = {
        "hostname": inner.hostname,
        "path": ISSUE_BULK_PATH,
        "method": "POST",
        "pathParams": {},
        "queryParams": {},
        "body": bulk,
        "headers": {"Authorization": inner.authorization, "content-type": "application/json"},
    }
    if inner.source is not None:
        task["source"] = inner.source
    entity = {
        "tillId": inner.till_id,
        "storeId": inner.store_id,
        "zoneId": inner.zone_id,
        "conceptId": inner.concept_id,
    }
    body = {"entityInfo": entity, "payload": {"IntouchAPITask-Payload": task}}
    return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)


def decision_body(workflow_request_id: WorkflowRequestId, *, approve: bool, message: str) -> bytes:
    """Write the body of a checker's decision (contract, DecisionRequest)."""
    text = message.encode(errors="replace").decode()  # an argument may hold bytes that are no text
    task = {"actionDecision": "approved" if approve else "rejected", "actionMessage": text}
    payload = {"AdminTask-Payload": task}
    return orjson.dumps({"requestId": workflow_request_id, "actionName": "AdminTask", "payload": payload})


def token_body(client: OAuthClient) -> bytes:
    """Write the body of a token call (contract, TokenRequest)."""
    return orjson.dumps({"key": client.key, "secret": client.secret})


def list_query(*, first_day: date, last_day: date, page: int) -> dict[str, str]:
    """Write the query of one page of the server's list, oldest first (contract, listRequests)."""
    return {
        "requestType": "ISSUE-BADGE",
        "startDate": first_day.isoformat(),
        "endDate": last_day.isoformat(),
        "limit": str(PAGE_SIZE),
        "PageNo": str(page),
        "sortBy": "startDate",
        "sortOrder": "asc",
    }


def read_json(body: bytes) -> Any:  # noqa: ANN401 - anything can come back
    """Read JSON, or return None where it is none (an edge proxy may answer in HTML)."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def read_server_request(data: Any, redact: Redact) -> ServerRequest | None:  # noqa: ANN401 - as above
    """Read one workflow request, or return None where none is named; headers are never looked at."""
    facts = _dict(data)
    workflow_request_id = _visible(_text(facts.get("requestId")))
    state = _visible(_text(facts.get("state")))
    if not workflow_request_id or not state:
        return None
    details = _dict(facts.get("details"))
    body = _dict(_dict(details.get("IntouchAPITask-Payload")).get("body"))
    output = details.get("IntouchAPITask_Output")
    return ServerRequest(
        workflow_request_id=WorkflowRequestId(workflow_request_id),
        request_id=RequestId(_text(body.get("requestId"))) or None,
        state=state,
        maker_allowed=_bool(details.get("ValidateMakerAccess_Output")),
        payload_valid=_bool(details.get("ValidatePayload_Output")),
        checker_allowed=_bool(details.get("ValidateCheckerAccess_Output")),
        inner=_inner_answer(output, redact) if output else None,
    )


def read_badge(data: Any, badge_meta_id: str, redact: Redact) -> Badge | None:  # noqa: ANN401 - as above
    """Read the definition of one badge (contract, BadgeMeta), or return None where it is not named."""
    facts = _dict(data)
    if _text(facts.get("id")).lower() != badge_meta_id:
        return None
    owners = _dict(facts.get("ownership")).get("restrictedToOwners")
    named = [_one_line(redact(_text(owner))) for owner in (owners if isinstance(owners, list) else [])]
    return Badge(
        name=_one_line(redact(_text(facts.get("name")))),
        status=_one_line(redact(_text(facts.get("status")))).upper(),
        is_active=_bool(facts.get("active")),
        starts_at=_moment(facts.get("startOnISO"), facts.get("startOn")),
        expires_at=_moment(facts.get("expiresOnISO"), facts.get("expiresOn")),
        owners=frozenset(filter(None, named)),
    )


def _moment(iso: Any, epoch: Any) -> datetime | None:  # noqa: ANN401 - as above
    """Read a moment from its ISO form, else from seconds (or milliseconds) since 1970."""
    with suppress(ValueError, OverflowError):
        if iso:
            moment = datetime.fromisoformat(_text(iso))
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    with suppress(ValueError, OverflowError, OSError):
        seconds = float(_text(epoch) or "nan")
        return datetime.fromtimestamp(seconds / (1000 if seconds > _LARGEST_SECONDS else 1), UTC)
    return None


def read_total(content: Mapping[str, Any]) -> int | None:
    """Read how many entries a whole list has (contract, WorkflowRequestPage)."""
    return _int(_dict(content.get("pagination")).get("totalElements"))


def read_error(body: Any, redact: Redact) -> ServerError | None:  # noqa: ANN401 - as above
    """Read the first of `errors` (contract, ErrorEnvelope), or return None where there is none."""
    errors = _dict(body).get("errors")
    if not errors:
        return None
    first = errors[0] if isinstance(errors, list) else errors
    return _error(first, redact)


def names_code(body: Any, code: int) -> bool:  # noqa: ANN401 - as above
    """Tell whether any of `errors` has this code."""
    errors = _dict(body).get("errors")
    if not errors:
        return False
    listed = errors if isinstance(errors, list) else [errors]
    return any(_int(_dict(error).get("code")) == code for error in listed)


def _inner_answer(output: Any, redact: Redact) -> InnerAnswer:  # noqa: ANN401 - as above
    facts = _dict(output)
    body = facts.get("body")
    data = _dict(body).get("data")
    listed = _dict(data).get("issuedBadges")
    replies = (_reply(entry, redact) for entry in (listed if isinstance(listed, list) else []))
    return InnerAnswer(
        status=_int(facts.get("status")),
        has_data=data is not None or not isinstance(body, dict | None),
        error=read_error(body, redact),
        replies=tuple(reply for reply in replies if reply is not None),
    )


def _reply(entry: Any, redact: Redact) -> Reply | None:  # noqa: ANN401 - as above
    facts = _dict(entry)
    customer_id = _int(facts.get("customerId"))
    if customer_id is None:
        return None
    error = facts.get("error")
    return Reply(
        customer_id=customer_id,
        issued_id=_visible(_text(facts.get("issuedId"))) or None,
        error=None if error is None else _error(error, redact),
    )


def _error(entry: Any, redact: Redact) -> ServerError:  # noqa: ANN401 - as above
    facts = entry if isinstance(entry, dict) else {"message": entry}
    code = facts.get("code")
    number = _int(code)
    shown = _text(code) if number is None else str(number)
    message = _one_line(redact(_text(facts.get("message"))))
    return ServerError(code=_one_line(redact(shown)), message=message or "no reason given")


def _one_line(text: str) -> str:
    """Make a server's text fit for a cell: on one line, and short."""
    return " ".join(_visible(text).split())[:_MESSAGE_CHARS]


def _visible(text: str) -> str:
    """Leave out what would act on a terminal or break a line."""
    if text.isprintable():
        return text.strip()
    return "".join(char if char.isprintable() else " " for char in text).strip()


def _dict(value: Any) -> Mapping[str, Any]:  # noqa: ANN401 - as above
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:  # noqa: ANN401 - as above
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).strip()


def _bool(value: Any) -> bool | None:  # noqa: ANN401 - as above
    return value if isinstance(value, bool) else None


def _int(value: Any) -> int | None:  # noqa: ANN401 - as above
    """Read whole numbers the way the server writes them: 200, 200.0, "200"."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, float):  # beyond 2^53 a float may stand for a neighbour
        return int(value) if value.is_integer() and abs(value) < _EXACT_FLOATS else None
    try:
        return int(value)
    except (TypeError, ValueError):
        return None
