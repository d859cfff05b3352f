"""What goes out obeys the contract; what comes back is read leniently, and never with secrets."""

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from batch_issuer.batch.ids import RequestId
from batch_issuer.batch.outcomes import ServerError
from batch_issuer.batch.requests import OWNER_TYPES, Group, IssueRequest
from batch_issuer.gateway.access import InnerCall, OAuthClient
from batch_issuer.gateway.wire import issue_badge_body, read_error, read_json, read_server_request, token_body
from batch_issuer.redaction import STARS, Redactor
from tests.conftest import BADGE, make_inner, make_request

CONTRACT = Path(__file__).parents[1] / "contract" / "api"
LARGEST = 2**63 - 1

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=128)
ids = st.from_regex(r"[1-9][0-9]{0,15}", fullmatch=True)
groups = st.builds(
    Group,
    badge_meta_id=st.from_regex(r"[0-9a-f]{24}", fullmatch=True),
    owner_type=st.sampled_from(OWNER_TYPES),
    reference_id=texts,
    issue_event_date=st.sampled_from(["", "2026-03-02T00:00:00Z"]),
) | st.builds(Group, badge_meta_id=st.just(BADGE))
requests = st.builds(
    IssueRequest,
    request_id=st.just(RequestId("20260302-044500-abcdef-0123456789abcdef")),
    chunk=st.just(1),
    group=groups,
    customers=st.lists(st.integers(1, LARGEST), min_size=1, max_size=20, unique=True).map(
        lambda customers: np.array(customers, dtype=np.int64)
    ),
    rows=st.just(np.array([], dtype=np.uint32)),
)
inner_calls = st.builds(
    InnerCall,
    till_id=ids,
    store_id=ids,
    zone_id=ids,
    concept_id=ids,
    hostname=st.sampled_from(["https://intouch.example.com", "http://127.0.0.1:8080"]),
    authorization=texts,
    source=st.none() | texts,
)


@functools.cache
def validator(schema: str) -> Draft202012Validator:
    document = yaml.safe_load((CONTRACT / "openapi.yaml").read_text(encoding="utf-8"))
    return Draft202012Validator(
        {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}
    )


@given(request=requests, inner=inner_calls)
def test_every_submission_obeys_the_contract(request: IssueRequest, inner: InnerCall) -> None:
    document = json.loads(issue_badge_body(request, inner))
    validator("IssueBadgeRequest").validate(document)
    body = document["payload"]["IntouchAPITask-Payload"]["body"]
    assert body["customers"] == request.customers.tolist()
    assert ("triggeredBy" in body) is bool(request.group.owner_type)
    assert ("issueEventDateISO" in body) is bool(request.group.issue_event_date)


def test_the_largest_customer_id_goes_out_as_a_whole_number() -> None:
    assert b"[9223372036854775807,1]" in issue_badge_body(make_request(LARGEST, 1), make_inner())


def test_a_slice_of_a_larger_array_goes_out_as_it_is() -> None:
    request = IssueRequest(
        request_id=RequestId("r"),
        chunk=1,
        group=Group(badge_meta_id=BADGE),
        customers=np.arange(1, 100, dtype=np.int64)[10:12],
        rows=np.array([2, 3], dtype=np.uint32),
    )
    assert b'"customers":[11,12]' in issue_badge_body(request, make_inner())


def test_a_token_call_obeys_the_contract() -> None:
    document = json.loads(token_body(OAuthClient(key="key", secret="sec\u00e9t")))
    validator("TokenRequest").validate(document)


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"\xff", b"[" * 100_000, b'{"a": "\\ud800"}'])
def test_what_is_no_json_reads_as_nothing(body: bytes) -> None:
    assert read_json(body) is None


NOT_REQUESTS: list[Any] = [
    None,
    [],
    "text",
    7,
    {},
    {"requestId": "w-1"},
    {"state": "AdminTask"},
    {"requestId": "", "state": "AdminTask"},
    {"requestId": None, "state": "AdminTask"},
    {"requestId": True, "state": "AdminTask"},
    {"requestId": "w-1", "state": None},
    {"requestId": {"a": 1}, "state": "AdminTask"},
]


@pytest.mark.parametrize("data", NOT_REQUESTS)
def test_what_names_no_request_and_state_is_no_request(data: object) -> None:
    assert read_server_request(data, str) is None


@pytest.mark.parametrize(
    "details",
    [None, [], "text", {"IntouchAPITask-Payload": None}, {"IntouchAPITask-Payload": {"body": [1]}}],
)
def test_odd_details_leave_the_rest_readable(details: object) -> None:
    said = read_server_request({"requestId": 17, "state": "Waiting 4 you", "details": details}, str)
    assert said is not None
    assert (said.workflow_request_id, said.state, said.request_id) == ("17", "Waiting 4 you", None)


def test_control_characters_of_the_server_end_up_nowhere() -> None:
    said = read_server_request({"requestId": " w\x1b[2J ", "state": "a\nb\u2028c"}, str)
    assert said is not None
    assert (said.workflow_request_id, said.state) == ("w [2J", "a b c")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "requestId",
                    "state",
                    "details",
                    "body",
                    "data",
                    "errors",
                    "code",
                    "IntouchAPITask_Output",
                    "status",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(data=json_values)
def test_no_json_at_all_makes_reading_fail(data: object) -> None:
    read_server_request(data, str)
    read_error(data, str)


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        (None, None),
        ([], None),
        ({}, None),
        ([{"code": 816, "message": "too late"}], ServerError(code="816", message="too late")),
        ([{"code": 816.0, "message": "too late"}], ServerError(code="816", message="too late")),
        ([{"code": "E1"}], ServerError(code="E1", message="no reason given")),
        ({"message": "m"}, ServerError(message="m")),
        (["plain"], ServerError(message="plain")),
        ("plain", ServerError(message="plain")),
        ([None], ServerError(message="no reason given")),
        ([{"message": "a\x1b[31m\r\n\tb\u202e"}], ServerError(message="a [31m b")),
        ([{"message": "x" * 1000}], ServerError(message="x" * 300)),
    ],
)
def test_the_first_error_is_read_in_any_form(errors: object, expected: ServerError | None) -> None:
    assert read_error({"errors": errors}, str) == expected


def test_a_secret_that_the_server_repeats_is_starred_before_the_message_is_cut() -> None:
    redact = Redactor(["maker-password"])
    error = read_error({"errors": [{"message": "x" * 295 + "maker-password"}]}, redact)
    assert error is not None
    assert "maker" not in error.message
    assert STARS[:5] in error.message
