"""Strictness: every breach of the contract is refused and named."""

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_issuer.sandbox import contract

from .api import Api
from .published import example, submission, validator

TASK = ("payload", "IntouchAPITask-Payload")
BODY = (*TASK, "body")
MISSING = object()


def changed(place: tuple[str, ...], value: object) -> dict[str, Any]:
    """Give the example with another value at a place, or without that key."""
    document = submission()
    parent: Any = document
    for key in place[:-1]:
        parent = parent[key]
    if value is MISSING:
        del parent[place[-1]]
    else:
        parent[place[-1]] = value
    return document


BREACHES: list[tuple[tuple[str, ...], object, str]] = [
    (("entityInfo",), MISSING, "entityInfo is missing"),
    (("payload",), MISSING, "payload is missing"),
    (("payload",), [], "payload must be an object"),
    (("extra",), 1, "extra is not part of the contract"),
    (("entityInfo", "tillId"), MISSING, "entityInfo.tillId is missing"),
    (("entityInfo", "tillId"), "", "entityInfo.tillId must be a text that is not empty"),
    (("entityInfo", "storeId"), 10000003, "entityInfo.storeId must be a text that is not empty"),
    (("entityInfo", "orgId"), "1", "entityInfo.orgId is not part of the contract"),
    (("payload", "AdminTask-Payload"), {}, "payload.AdminTask-Payload is not part of the contract"),
    ((*TASK, "hostname"), "", "hostname must be a scheme and a host"),
    ((*TASK, "hostname"), "intouch.example.com", "hostname must be a scheme and a host"),
    ((*TASK, "hostname"), "https://intouch.example.com/", "hostname must be a scheme and a host"),
    ((*TASK, "hostname"), "https://intouch.example.com\n", "hostname must be a scheme and a host"),
    ((*TASK, "hostname"), "<https://intouch.example.com>", "hostname must be a scheme and a host"),
    ((*TASK, "path"), "/api_gateway/v1/badges/badgeMeta/customer/issue", "path must be /api_gateway"),
    ((*TASK, "method"), "post", "method must be POST"),
    ((*TASK, "pathParams"), None, "pathParams must be an object"),
    ((*TASK, "pathParams"), {"a": "b"}, "pathParams.a is not part of the contract"),
    ((*TASK, "queryParams"), [], "queryParams must be an object"),
    ((*TASK, "source"), 1, "source must be a text"),
    ((*TASK, "headers"), MISSING, "headers is missing"),
    ((*TASK, "headers", "Authorization"), MISSING, "headers.Authorization is missing"),
    ((*TASK, "headers", "Authorization"), "", "headers.Authorization must be a text that is not empty"),
    ((*TASK, "headers", "content-type"), MISSING, "headers.content-type is missing"),
    ((*TASK, "headers", "X-CAP-API-AUTH-ORG-ID"), 999001, "headers.X-CAP-API-AUTH-ORG-ID must be a text"),
    ((*BODY, "customers"), MISSING, "customers is missing"),
    ((*BODY, "customers"), [], "customers must be an array that is not empty"),
    ((*BODY, "customers"), 700000001, "customers must be an array that is not empty"),
    ((*BODY, "customers"), ["700000001"], "customers[0] must be a JSON integer"),
    ((*BODY, "customers"), [700000001, 700000002.0], "customers[1] must be a JSON integer"),
    ((*BODY, "customers"), [True], "customers[0] must be a JSON integer"),
    ((*BODY, "customers"), [None], "customers[0] must be a JSON integer"),
    ((*BODY, "customers"), [0], "customers[0] must lie between 1 and"),
    ((*BODY, "customers"), [-5], "customers[0] must lie between 1 and"),
    ((*BODY, "customers"), [2**63], "customers[0] must lie between 1 and"),
    ((*BODY, "customers"), [7, 8, 7], "customers must not name a customer twice"),
    ((*BODY, "requestId"), MISSING, "requestId is missing"),
    ((*BODY, "requestId"), 7, "requestId must be a text that is not empty"),
    ((*BODY, "badgeMetaId"), "", "badgeMetaId must be a text that is not empty"),
    ((*BODY, "comment"), "", "comment is not part of the contract"),
    ((*BODY, "triggeredBy"), None, "triggeredBy must be an object"),
    ((*BODY, "triggeredBy", "referenceId"), MISSING, "triggeredBy.referenceId is missing"),
    ((*BODY, "triggeredBy", "referenceId"), "", "referenceId must be a text that is not empty"),
    ((*BODY, "triggeredBy", "ownerType"), MISSING, "triggeredBy.ownerType is missing"),
    ((*BODY, "triggeredBy", "ownerType"), "GOODWILL_MODULE", "ownerType must be Loyalty or"),
    ((*BODY, "triggeredBy", "ownerType"), "Membercare", "ownerType must be Loyalty or"),
    ((*BODY, "issueEventDate"), None, "issueEventDate must be a text or a number"),
    ((*BODY, "issueEventDateISO"), "2026-03-02", "issueEventDateISO must be a date-time with a zone"),
    (
        (*BODY, "issueEventDateISO"),
        "2026-03-02T10:15:00",
        "issueEventDateISO must be a date-time with a zone",
    ),
    (
        (*BODY, "issueEventDateISO"),
        "2026-02-30T10:15:00Z",
        "issueEventDateISO must be a date-time with a zone",
    ),
    ((*BODY, "issueEventDateISO"), 1767225600, "issueEventDateISO must be a date-time with a zone"),
]

ACCEPTED: list[tuple[tuple[str, ...], object]] = [
    ((*BODY, "triggeredBy"), MISSING),
    ((*BODY, "issueEventDateISO"), "2026-03-02T10:15:00Z"),
    ((*BODY, "issueEventDateISO"), "2026-03-02T10:15:00.123+05:30"),
    ((*BODY, "issueEventDate"), 1767225600.5),
    ((*BODY, "customers"), [1, 2**63 - 1]),
    ((*TASK, "pathParams"), MISSING),
    ((*TASK, "queryParams"), {"a": ["b"]}),
    ((*TASK, "source"), ""),
    ((*TASK, "hostname"), "http://127.0.0.1:8080"),
    ((*TASK, "headers", "X-CAP-API-AUTH-ORG-ID"), "999001"),
]


@pytest.mark.parametrize(("place", "value", "breach"), BREACHES)
async def test_a_breach_is_refused_and_named(
    api: Api, place: tuple[str, ...], value: object, breach: str
) -> None:
    reply = await api.post(changed(place, value))

    assert reply.status == 400
    assert breach in reply.message
    assert api.sandbox.requests == ()


@pytest.mark.parametrize(("place", "value"), ACCEPTED)
async def test_what_the_contract_allows_is_accepted(api: Api, place: tuple[str, ...], value: object) -> None:
    reply = await api.post(changed(place, value))

    assert reply.status == 200
    assert len(api.sandbox.requests) == 1


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"a": NaN}', b"{'a': 1}", b"[" * 2000], ids=repr)
async def test_a_body_that_is_not_json_is_refused(api: Api, body: bytes) -> None:
    reply = await api.call("POST", "ISSUE-BADGE", headers=api.maker(), body=body)

    assert (reply.status, reply.message) == (400, "the body is not JSON")


@pytest.mark.parametrize("body", [b"null", b"[]", b'"text"', b"1"])
async def test_json_that_is_no_object_is_refused(api: Api, body: bytes) -> None:
    reply = await api.call("POST", "ISSUE-BADGE", headers=api.maker(), body=body)

    assert (reply.status, reply.message) == (400, "the body must be an object")


async def test_a_content_type_other_than_json_is_refused(api: Api) -> None:
    body = json.dumps(submission()).encode()

    reply = await api.call("POST", "ISSUE-BADGE", headers=api.maker(), body=body, content_type="text/plain")

    assert (reply.status, reply.message) == (400, "content-type must be application/json")


async def test_a_content_type_may_name_its_charset(api: Api) -> None:
    body, content_type = json.dumps(submission()).encode(), "application/json; charset=utf-8"

    reply = await api.call("POST", "ISSUE-BADGE", headers=api.maker(), body=body, content_type=content_type)

    assert reply.status == 200


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        (contract.SUBMISSION, "issue-badge.request"),
        (contract.DECISION, "approve.request"),
        (contract.DECISION, "reject.request"),
        (contract.TOKEN_REQUEST, "oauth.request"),
        (contract.ISSUE_BULK_BODY, "issue-bulk.request"),
    ],
)
def test_the_published_requests_keep_the_contract(rule: contract.Rule, name: str) -> None:
    assert contract.first_breach(example(name), rule) is None


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(min_value=-2, max_value=2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", " ", "POST", "Loyalty", "https://a.example", "2026-03-02T10:15:00Z", "example"]),
    st.text(alphabet=" a1Ä\n", max_size=5),
    st.lists(
        st.one_of(st.integers(-1, 3), st.booleans(), st.text(alphabet="a1", max_size=2), st.none()),
        max_size=4,
    ),
    st.dictionaries(
        st.sampled_from(["a", "ownerType", "referenceId"]), st.text(alphabet="a1", max_size=3), max_size=3
    ),
)
OPTIONAL_KEYS = ["source", "issueEventDate", "issueEventDateISO", "triggeredBy", "unknown", "queryParams"]
# What the schema can't say, or says only as a format that validators need not check.
BEYOND_THE_SCHEMA = ("must be a date-time with a zone", "must be a JSON integer", "hostname must be")


# Examples are cheap, but a busy machine is no reason to fail.
unhurried = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def objects_in(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, dict):
        return []
    return [value, *(inner for item in value.values() for inner in objects_in(item))]


@st.composite
def mutated(draw: st.DrawFn, source: str) -> dict[str, Any]:
    document: dict[str, Any] = copy.deepcopy(example(source))
    for _ in range(draw(st.integers(0, 3))):
        spot = draw(st.sampled_from(objects_in(document)))
        key = draw(st.sampled_from([*spot, *OPTIONAL_KEYS]))
        if draw(st.booleans()) and key in spot:
            del spot[key]
        else:
            spot[key] = draw(JUNK)
    return document


@unhurried
@given(document=mutated("issue-badge.request"))
def test_submissions_are_judged_as_the_published_schema_judges_them(document: dict[str, Any]) -> None:
    breach = contract.first_breach(document, contract.SUBMISSION)
    if validator("IssueBadgeRequest").is_valid(document):
        assert breach is None or any(rule in breach for rule in BEYOND_THE_SCHEMA)
    else:
        assert breach is not None


@unhurried
@given(document=mutated("approve.request"))
def test_decisions_are_judged_as_the_published_schema_judges_them(document: dict[str, Any]) -> None:
    breach = contract.first_breach(document, contract.DECISION)

    assert (breach is None) == validator("DecisionRequest").is_valid(document)


@unhurried
@given(document=mutated("oauth.request"))
def test_token_calls_are_judged_as_the_published_schema_judges_them(document: dict[str, Any]) -> None:
    breach = contract.first_breach(document, contract.TOKEN_REQUEST)

    assert (breach is None) == validator("TokenRequest").is_valid(document)
