"""The contract of what callers send, checked to the letter.

A rule takes a value and its place in the document, and yields one sentence for each breach, so that the
contract below reads as a table that can be laid beside the published one.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, cast

import orjson

from batch_issuer.sandbox.refusals import BreachError

Rule = Callable[[object, str], Iterator[str]]

_LARGEST_INT64 = 2**63 - 1
_NOTHING: Mapping[str, Rule] = {}
# RFC 3339: the zone is not optional. fromisoformat() checks the calendar afterwards.
_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_HOSTNAME = re.compile(r"https?://[^/<>\s]+")


def text(value: object, place: str) -> Iterator[str]:
    """Accept any text."""
    if not isinstance(value, str):
        yield f"{place} must be a text"


def filled_text(value: object, place: str) -> Iterator[str]:
    """Accept text of at least one character."""
    if not isinstance(value, str) or not value:
        yield f"{place} must be a text that is not empty"


def matching(pattern: re.Pattern[str], description: str) -> Rule:
    """Make a rule that accepts text of one form."""

    def rule(value: object, place: str) -> Iterator[str]:
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            yield f"{place} must be {description}"

    return rule


def one_of(*choices: str) -> Rule:
    """Make a rule that accepts these texts in this very spelling."""

    def rule(value: object, place: str) -> Iterator[str]:
        if not isinstance(value, str) or value not in choices:
            yield f"{place} must be {' or '.join(choices)}"

    return rule


def text_or_number(value: object, place: str) -> Iterator[str]:
    """Accept text and numbers."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        yield f"{place} must be a text or a number"


def date_time(value: object, place: str) -> Iterator[str]:
    """Accept a point in time that names its zone."""
    breach = f"{place} must be a date-time with a zone"
    if not isinstance(value, str) or _DATE_TIME.fullmatch(value) is None:
        yield breach
        return
    try:
        datetime.fromisoformat(value)
    except ValueError:
        yield breach


def customer_ids(value: object, place: str) -> Iterator[str]:
    """Accept a list of different customer ids, each a JSON integer."""
    if not isinstance(value, list) or not value:
        yield f"{place} must be an array that is not empty"
        return
    for position, item in enumerate(value):
        # bool is a kind of int in Python and 1.0 equals 1: the type itself has to be compared.
        if type(item) is not int:
            yield f"{place}[{position}] must be a JSON integer"
            return
        if not 1 <= item <= _LARGEST_INT64:
            yield f"{place}[{position}] must lie between 1 and {_LARGEST_INT64}"
            return
    if len(set(value)) < len(value):
        yield f"{place} must not name a customer twice"


def shape(
    required: Mapping[str, Rule] = _NOTHING,
    optional: Mapping[str, Rule] = _NOTHING,
    others: Rule | None = None,
) -> Rule:
    """Make a rule for an object; keys not named here need the rule `others`, or are breaches."""
    known = {**required, **optional}

    def rule(value: object, place: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{place or 'the body'} must be an object"
            return
        prefix = f"{place}." if place else ""
        for key in required:
            if key not in value:
                yield f"{prefix}{key} is missing"
        for key, item in value.items():
            check = known.get(key, others)
            if check is None:
                yield f"{prefix}{key} is not part of the contract"
            else:
                yield from check(item, f"{prefix}{key}")

    return rule


def anything(_value: object, _place: str) -> Iterator[str]:
    """Accept every value."""
    return iter(())


OWNER_TYPES = (
    "Loyalty",
    "Loyalty_Promotion",
    "Referral_Campaigns",
    "Journeys",
    "Audience_Campaigns",
    "Rewards_Catalog",
    "Goodwill_Module",
    "Milestones",
    "Historical_Import",
)
ISSUE_BULK_PATH = "/api_gateway/v1/badges/badgeMeta/customer/issueBulk"

ENTITY_INFO = shape({
    "tillId": filled_text,
    "storeId": filled_text,
    "zoneId": filled_text,
    "conceptId": filled_text,
})  # fmt: skip
ISSUE_BULK_BODY = shape(
    required={"badgeMetaId": filled_text, "customers": customer_ids, "requestId": filled_text},
    optional={
        "triggeredBy": shape({"ownerType": one_of(*OWNER_TYPES), "referenceId": filled_text}),
        "issueEventDate": text_or_number,
        "issueEventDateISO": date_time,
    },
)
INTOUCH_TASK = shape(
    required={
        "hostname": matching(_HOSTNAME, "a scheme and a host such as https://intouch.example.com"),
        "path": one_of(ISSUE_BULK_PATH),
        "method": one_of("POST"),
        "body": ISSUE_BULK_BODY,
        "headers": shape({"Authorization": filled_text, "content-type": text}, others=text),
    },
    optional={"pathParams": shape(), "queryParams": shape(others=anything), "source": text},
)
SUBMISSION = shape({"entityInfo": ENTITY_INFO, "payload": shape({"IntouchAPITask-Payload": INTOUCH_TASK})})

ADMIN_TASK = shape(
    required={"actionDecision": one_of("approved", "rejected"), "actionMessage": filled_text}, others=anything
)
DECISION = shape({
    "requestId": filled_text,
    "actionName": one_of("AdminTask"),
    "payload": shape({"AdminTask-Payload": ADMIN_TASK}),
})  # fmt: skip
TOKEN_REQUEST = shape({"key": filled_text, "secret": filled_text})


def first_breach(document: object, rule: Rule) -> str | None:
    """Name the first breach of a document, or give None where it keeps the contract."""
    return next(rule(document, ""), None)


def read_document(body: bytes, *, content_type: str, rule: Rule) -> dict[str, Any]:
    """Give the document of a body that keeps the contract; raise BreachError for any other."""
    if content_type != "application/json":
        raise BreachError("content-type must be application/json")
    try:
        document: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BreachError("the body is not JSON") from error
    breach = first_breach(document, rule)
    if breach is not None:
        raise BreachError(breach)
    # Every rule for a document is a shape, and a shape accepts nothing but objects.
    return cast("dict[str, Any]", document)
