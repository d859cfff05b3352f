"""The wire shapes of the answers, in the form of the published samples with all their oddities."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from email.utils import formatdate
from typing import Any

from batch_issuer.sandbox.records import CustomerResult, Execution, Record, Result

Json = dict[str, Any]

_OK = 200
_FIRST_SERVER_ERROR = 500

MAKER_USER_ID = 900001
MAKER_USER_NAME = "maker@example.com"

# Times of the cluster stand without a zone, 5 h 30 min ahead of the Date header of the same call.
_AHEAD_OF_UTC = timedelta(hours=5, minutes=30)
_BADGE_EXPIRES_ON = 1798675200.123
_MESSAGES = {
    401: "Authentication failed",
    403: "CanMakeRequest access is missing",
    404: "Passed badge is not found",
    429: "Too many requests",
}
_HOLDS_ALREADY = {"code": 1040, "message": "An active issue for the badge already exists.", "reference": None}


def cluster_time(seconds: float) -> str:
    """Write a moment as the cluster does: local, to the second, without a zone."""
    local = datetime.fromtimestamp(seconds, tz=UTC) + _AHEAD_OF_UTC
    return local.replace(tzinfo=None).isoformat(timespec="seconds")


def start_of_cluster_day(day: date) -> float:
    """Give the moment at which a day starts in the cluster's zone."""
    return (datetime.combine(day, time(), tzinfo=UTC) - _AHEAD_OF_UTC).timestamp()


def one_request(record: Record) -> Json:
    """Give the answer to a submission, a decision, or a read of one request."""
    return {"data": _workflow_request(record)}


def page_of_requests(records: Sequence[Record], *, total: int, limit: int, number: int) -> Json:
    """Give one page of a list; `total` counts the records of all pages."""
    return {
        "data": [_workflow_request(record) for record in records],
        "pagination": {
            "totalElements": total,
            "totalPages": -(-total // limit),
            "numberOfElements": len(records),
            "number": number,
        },
    }


def token(access_token: str, *, ttl_seconds: int) -> Json:
    """Give the answer to a token call."""
    return {"data": {"accessToken": access_token, "ttlSeconds": ttl_seconds}, "errors": None}


def error_envelope(status: int, message: str | None = None) -> Json:
    """Give the error body that samples show for a status: the workflow's form or the badge service's."""
    text = message or _MESSAGES.get(status, "All requests have failed due to errors")
    match status:
        case 404 | 409:
            return _badge_service_error(status, text)
        case 400:
            return {"data": None, **_workflow_error(status, text)}
        case _:
            return _workflow_error(status, text)


def _workflow_error(code: int, message: str) -> Json:
    return {"errors": [{"status": False, "code": code, "message": message}], "warnings": []}


def _badge_service_error(code: int, message: str) -> Json:
    error = {"code": code, "message": message, "reference": None}
    return {"data": None, "errors": [error], "warnings": None}


def _workflow_request(record: Record) -> Json:
    return {
        "requestId": record.workflow_request_id,
        "userId": MAKER_USER_ID,
        "userName": MAKER_USER_NAME,
        "requestType": "issue-badge",
        "state": record.state.value,
        "startTime": cluster_time(record.accepted_at),
        "endTime": None if record.ended_at is None else cluster_time(record.ended_at),
        "details": _details(record),
    }


def _details(record: Record) -> Json:
    """Lay the steps out in the order of the samples; steps that were not taken have no key."""
    decision = record.decision
    details: Json = {"IntouchAPITask-Payload": record.task}
    if decision is not None:
        details["AdminTask-Payload"] = {
            "actionDecision": decision.verdict,
            "actionMessage": decision.message,
        }
    details["ValidateMakerAccess_Output"] = True
    if decision is not None:
        details["AdminTask_Output"] = decision.verdict
    details["ValidatePayload_Output"] = True
    if record.execution is not None:
        details["IntouchAPITask_Output"] = _output(record, record.execution)
    if decision is not None:
        details["ValidateCheckerAccess_Output"] = True
    return details


def _output(record: Record, execution: Execution) -> Json:
    return {
        "status": _output_status(record, execution),
        "headers": {
            "Date": [formatdate(record.ended_at, usegmt=True)],
            "Content-Type": ["application/json"],
            "Connection": ["keep-alive"],
            "X-CAP-REQUEST-ID": [execution.trace_id],
            "X-Frame-Options": ["SAMEORIGIN", "SAMEORIGIN"],
        },
        "body": _issue_bulk_body(record, execution),
    }


def _output_status(record: Record, execution: Execution) -> float:
    # Samples write 200.0 where a checker was involved or the call failed under 200, else whole numbers.
    match execution.error, record.decision:
        case None, None:
            return 200
        case None, _:
            return 200.0
        case error, _:
            return 200.0 if error.status == _OK else error.status


def _issue_bulk_body(record: Record, execution: Execution) -> Json:
    error = execution.error
    if error is not None:
        form = _workflow_error if error.status >= _FIRST_SERVER_ERROR else _badge_service_error
        return form(error.code, error.message)
    body: Mapping[str, Any] = record.task["body"]
    data: Json = {"badgeMetaId": record.badge_meta_id}
    if "triggeredBy" in body:
        data["triggeredBy"] = body["triggeredBy"]
    data["expiresOn"] = _BADGE_EXPIRES_ON
    # Nobody may match customers by position, so the order is never the one asked for.
    named = [result for result in reversed(execution.results) if result.result is not Result.OMITTED]
    data["issuedBadges"] = [_issued_badge(result, by_checker=record.decision is not None) for result in named]
    data["requestId"] = record.request_id
    return {"data": data, "errors": [], "warnings": []}


def _issued_badge(result: CustomerResult, *, by_checker: bool) -> Json:
    badge: Json = {"customerId": result.customer_id, "issuedId": result.issued_id}
    if result.result is Result.HELD:
        return {**badge, "error": _HOLDS_ALREADY, "status": "EXPIRED"}
    # The engine drops nulls from answers that passed a checker, and keeps them in others.
    return badge if by_checker else {**badge, "error": None}
