"""The outcome rule: the contract's examples, its table line by line, and what must never happen."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_issuer.batch.ids import WorkflowRequestId
from batch_issuer.batch.outcomes import (
    CONTRADICTION,
    FINAL_STATES,
    InnerAnswer,
    Outcome,
    Reply,
    ServerError,
    ServerRequest,
    Settlement,
    row_outcome,
    settle,
)
from batch_issuer.batch.stages import Stage
from batch_issuer.gateway.wire import read_server_request

EXAMPLES = Path(__file__).parents[1] / "contract" / "api" / "examples"
ONE, TWO, THREE = 700000001, 700000002, 700000003
PROBLEM = ServerError(code="1040", message="An active issue for the badge already exists.")
CLASH = ServerError(code="809", message="used before")


def example(name: str) -> Any:
    return json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))["data"]


def read(data: object) -> ServerRequest:
    said = read_server_request(data, str)
    assert said is not None
    return said


def outcomes(data: object, *customers: int) -> list[str]:
    settlement = settle(read(data))
    return [row_outcome(Stage.SUBMITTED, settlement, customer).outcome for customer in customers]


def issued(customer: int, issued_id: str = "f" * 24) -> Reply:
    return Reply(customer_id=customer, issued_id=issued_id, error=None)


def refused(customer: int, issued_id: str | None = None) -> Reply:
    return Reply(customer_id=customer, issued_id=issued_id, error=PROBLEM)


def said(
    state: str,
    *replies: Reply,
    status: int | None = 200,
    has_data: bool = True,
    error: ServerError | None = None,
) -> ServerRequest:
    return ServerRequest(
        workflow_request_id=WorkflowRequestId("w-1"),
        request_id=None,
        state=state,
        inner=InnerAnswer(status=status, has_data=has_data, error=error, replies=replies),
    )


def bare(state: str, *, maker: bool | None = None, payload: bool | None = None) -> ServerRequest:
    return ServerRequest(
        workflow_request_id=WorkflowRequestId("w-1"),
        request_id=None,
        state=state,
        maker_allowed=maker,
        payload_valid=payload,
    )


@pytest.mark.parametrize(
    ("name", "customers", "expected"),
    [
        (
            "request.response.approved-partial",
            (ONE, THREE, 700000004),
            ["issue_failed", "issued", "unaccounted"],
        ),
        ("request.response.failed", (ONE, TWO), ["failed", "failed"]),
        ("request.response.failed-http-200", (ONE, TWO), ["failed", "failed"]),
        ("request.response.rejected", (ONE, TWO), ["rejected", "rejected"]),
        ("issue-badge.response.auto-approved", (ONE, TWO), ["issued", "issued"]),
        ("issue-badge.response.pending", (ONE, TWO), ["pending", "pending"]),
    ],
)
def test_the_contracts_examples_settle_as_the_contract_says(
    name: str, customers: tuple[int, ...], expected: list[str]
) -> None:
    assert outcomes(example(name), *customers) == expected


def test_every_published_workflow_answer_can_be_read() -> None:
    listed = example("requests.list.page")
    assert [entry["requestId"] for entry in listed] == [read(entry).workflow_request_id for entry in listed]


def test_an_error_counts_even_beside_an_issued_id() -> None:
    row = row_outcome(Stage.SUBMITTED, settle(read(example("request.response.approved-partial"))), ONE)
    assert (row.outcome, row.issued_id, row.error) == (Outcome.ISSUE_FAILED, "", PROBLEM)


def test_an_issued_row_carries_the_id_of_its_own_customer_whatever_the_order() -> None:
    settlement = settle(said("approved", issued(TWO, "b" * 24), issued(ONE, "a" * 24)))
    ids = [row_outcome(Stage.SUBMITTED, settlement, customer).issued_id for customer in (ONE, TWO)]
    assert ids == ["a" * 24, "b" * 24]


def changed(name: str, **facts: object) -> Any:
    data = example(name)
    data["details"]["IntouchAPITask_Output"].update(facts)
    return data


AUTO = "issue-badge.response.auto-approved"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (changed(AUTO, status=200.0), "issued"),
        (changed(AUTO, status="200"), "issued"),
        (changed(AUTO, status=201), "issued"),
        (changed(AUTO, status=None), "issued"),
        (
            changed(AUTO, body={"data": {"issuedBadges": [{"customerId": str(ONE), "issuedId": "a"}]}}),
            "issued",
        ),
        (changed(AUTO, body={"data": {"issuedBadges": [{"customerId": ONE, "issuedId": 7}]}}), "issued"),
        (
            changed(AUTO, body={"data": {"issuedBadges": [{"customerId": ONE, "issuedId": ""}]}}),
            "unaccounted",
        ),
        (
            changed(AUTO, body={"data": {"issuedBadges": [{"customerId": ONE, "issuedId": " "}]}}),
            "unaccounted",
        ),
        (
            changed(AUTO, body={"data": {"issuedBadges": [{"customerId": ONE, "issuedId": None}]}}),
            "unaccounted",
        ),
        (
            changed(AUTO, body={"data": {"issuedBadges": [{"customerId": ONE, "issuedId": False}]}}),
            "unaccounted",
        ),
        (
            changed(AUTO, body={"data": {"issuedBadges": [{"customerId": ONE, "issuedId": True}]}}),
            "unaccounted",
        ),
        (
            changed(AUTO, body={"data": {"issuedBadges": [{"customerId": True, "issuedId": "a"}]}}),
            "unaccounted",
        ),
        (changed(AUTO, body={"data": {"issuedBadges": None}}), "unaccounted"),
        (changed(AUTO, body={"data": {"issuedBadges": {}}}), "unaccounted"),
        (changed(AUTO, body={"data": {}}), "unaccounted"),
        (changed(AUTO, body={"data": [{"customerId": ONE, "issuedId": "a"}]}), "unaccounted"),
        (changed(AUTO, body="<html>"), "unaccounted"),
        (changed(AUTO, body={"data": None}), "failed"),
        (changed(AUTO, body={"errors": [{"code": 816}]}), "failed"),
        (changed(AUTO, body=None), "failed"),
        (changed(AUTO, status=500, body="<html>"), "failed"),
        (changed(AUTO, status=None, body=None), "unaccounted"),
    ],
)
def test_an_executed_request_is_read_leniently_and_believed_carefully(data: object, expected: str) -> None:
    assert outcomes(data, ONE) == [expected]


def test_a_float_that_may_stand_for_a_neighbouring_customer_names_nobody() -> None:
    reply = {"customerId": 9007199254740992.0, "issuedId": "a"}
    data = changed(AUTO, body={"data": {"issuedBadges": [reply]}})
    assert outcomes(data, 9007199254740992, 9007199254740993) == ["unaccounted", "unaccounted"]


@pytest.mark.parametrize(
    ("request_said", "expected"),
    [
        (bare("AdminTask"), Outcome.PENDING),
        (bare("Pending"), Outcome.PENDING),
        (bare("Success"), Outcome.PENDING),
        (bare("APPROVED"), Outcome.PENDING),
        (said("Success", issued(ONE)), Outcome.PENDING),
        (bare("AdminTask", maker=True, payload=True), Outcome.PENDING),
        (bare("AdminTask", payload=False), Outcome.FAILED),
        (bare("failed", payload=False), Outcome.FAILED),
        (bare("failed", maker=False), Outcome.FAILED),
        (bare("AdminTask", maker=False), Outcome.PENDING),
        (bare("rejected"), Outcome.REJECTED),
        (bare("rejected", payload=False), Outcome.REJECTED),
        (bare("rejected", maker=False), Outcome.REJECTED),
        (said("rejected", status=None, has_data=False), Outcome.REJECTED),
        (bare("approved"), Outcome.UNACCOUNTED),
        (bare("failed"), Outcome.UNACCOUNTED),
        (said("approved", status=409, has_data=False, error=CLASH), Outcome.FAILED),
        (said("failed", status=409, has_data=False, error=CLASH), Outcome.FAILED),
        (said("approved", status=None, has_data=False, error=CLASH), Outcome.FAILED),
        (said("approved", status=500, has_data=False), Outcome.FAILED),
        (said("approved", refused(ONE), status=500), Outcome.FAILED),
        (said("approved", has_data=False), Outcome.FAILED),
        (said("failed", status=None, has_data=False), Outcome.UNACCOUNTED),
        (said("approved", issued(ONE)), None),
        (said("failed", issued(ONE), status=500), None),
        (said("rejected", issued(ONE)), None),
        (said("approved", issued(ONE), error=CLASH), None),
        (said("approved", refused(ONE)), None),
        (said("approved"), None),
    ],
)
def test_a_request_settles_by_the_table(request_said: ServerRequest, expected: Outcome | None) -> None:
    assert settle(request_said).outcome is expected


@pytest.mark.parametrize("state", ["AdminTask", "Success", "", "Approved"])
def test_a_state_that_is_not_known_as_final_is_open(state: str) -> None:
    assert settle(bare(state or "?")).is_final is False


def test_an_output_under_an_open_state_is_not_called_failed() -> None:
    running = ServerRequest(
        workflow_request_id=WorkflowRequestId("w-1"),
        request_id=None,
        state="AdminTask",
        payload_valid=False,
        inner=InnerAnswer(status=200, has_data=True, error=None, replies=(issued(ONE),)),
    )
    assert settle(running).outcome is Outcome.PENDING


@pytest.mark.parametrize("state", ["failed", "rejected"])
def test_a_failure_that_lists_issued_ids_is_believed_per_customer_and_flagged(state: str) -> None:
    settlement = settle(said(state, issued(ONE), refused(TWO), status=500))
    rows = {customer: row_outcome(Stage.SUBMITTED, settlement, customer) for customer in (ONE, TWO, THREE)}
    assert [row.outcome for row in rows.values()] == ["issued", "issue_failed", "unaccounted"]
    assert rows[ONE].error is CONTRADICTION


def test_a_plain_success_carries_no_error() -> None:
    row = row_outcome(Stage.SUBMITTED, settle(said("approved", issued(ONE))), ONE)
    assert (row.error.code, row.error.message) == ("", "")


@pytest.mark.parametrize("replies", [(issued(ONE), refused(ONE)), (refused(ONE), issued(ONE))])
def test_of_two_replies_for_one_customer_the_issued_one_wins(replies: tuple[Reply, ...]) -> None:
    assert row_outcome(Stage.SUBMITTED, settle(said("approved", *replies)), ONE).outcome is Outcome.ISSUED


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (Stage.NOT_SENT, Outcome.NOT_SENT),
        (Stage.SENDING, Outcome.IN_DOUBT),
        (Stage.IN_DOUBT, Outcome.IN_DOUBT),
        (Stage.REFUSED, Outcome.FAILED),
    ],
)
def test_a_request_that_is_not_submitted_decides_by_its_stage_alone(stage: Stage, expected: Outcome) -> None:
    settlement = Settlement(outcome=None, is_final=False, error=PROBLEM, replies={ONE: issued(ONE)})
    row = row_outcome(stage, settlement, ONE)
    assert (row.outcome, row.error) == (expected, PROBLEM)


errors = st.none() | st.builds(ServerError, code=st.sampled_from(["", "809"]), message=st.just("x"))
replies = st.builds(
    Reply,
    customer_id=st.sampled_from([ONE, TWO]),
    issued_id=st.none() | st.sampled_from(["", "a" * 24]),
    error=errors,
)
requests = st.builds(
    ServerRequest,
    workflow_request_id=st.just(WorkflowRequestId("w-1")),
    request_id=st.none(),
    state=st.sampled_from([*sorted(FINAL_STATES), "AdminTask", "Success"]),
    maker_allowed=st.none() | st.booleans(),
    payload_valid=st.none() | st.booleans(),
    inner=st.none()
    | st.builds(
        InnerAnswer,
        status=st.none() | st.sampled_from([200, 409, 500]),
        has_data=st.booleans(),
        error=errors,
        replies=st.lists(replies, max_size=4).map(tuple),
    ),
)


@given(request_said=requests, stage=st.sampled_from(list(Stage)))
def test_a_row_is_issued_only_where_the_server_named_an_issued_id_without_error(
    request_said: ServerRequest, stage: Stage
) -> None:
    named = {
        reply.customer_id
        for reply in (request_said.inner.replies if request_said.inner else ())
        if reply.issued_id and reply.error is None
    }
    settlement = settle(request_said)
    issued_rows = {c for c in (ONE, TWO) if row_outcome(stage, settlement, c).outcome is Outcome.ISSUED}
    executed = stage is Stage.SUBMITTED and request_said.state in FINAL_STATES
    assert issued_rows == (named if executed else set())


@given(request_said=requests)
def test_a_customer_with_an_issued_id_is_never_called_failed(request_said: ServerRequest) -> None:
    inner = request_said.inner
    settlement = settle(request_said)
    for reply in inner.replies if inner else ():
        if reply.issued_id and reply.error is None:
            row = row_outcome(Stage.SUBMITTED, settlement, reply.customer_id)
            assert row.outcome in {Outcome.ISSUED, Outcome.PENDING}
