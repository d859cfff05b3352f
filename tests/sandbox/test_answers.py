"""The answers have the shape of the published examples, and obey the published schemas."""

import pytest

from batch_issuer.sandbox import fates
from batch_issuer.sandbox.fates import CustomerFate
from batch_issuer.sandbox.scenario import Scenario

from .api import Api
from .conftest import MovedClock, OpenSandbox
from .published import BADGE, example, shape_of, submission, validator


def assert_like(document: object, name: str, schema: str) -> None:
    validator(schema).validate(document)
    assert shape_of(document) == shape_of(example(name))


async def test_a_waiting_request_looks_like_the_example(api: Api) -> None:
    posted = await api.submit()
    read = await api.read(posted.data["requestId"])

    assert_like(posted.document, "issue-badge.response.pending", "WorkflowRequestResponse")
    assert read.document == posted.document


async def test_an_auto_approved_request_looks_like_the_example(open_sandbox: OpenSandbox) -> None:
    api = await open_sandbox(decide_after_seconds=0)

    reply = await api.submit()

    assert_like(reply.document, "issue-badge.response.auto-approved", "WorkflowRequestResponse")


async def test_a_partial_success_looks_like_the_example(open_sandbox: OpenSandbox) -> None:
    customers, share = (700000001, 700000003, 700000004), 0.3
    wanted = [CustomerFate.ISSUED, CustomerFate.ISSUED, CustomerFate.OMITTED]
    seed = next(
        seed
        for seed in range(1000)
        if wanted
        == [
            fates.customer_fate(Scenario(seed=seed, omit_share=share), badge=BADGE, customer=customer)
            for customer in customers
        ]
    )
    api = await open_sandbox(seed=seed, omit_share=share)
    await api.submit(700000001, request_id="earlier")
    api.sandbox.decide_all("approved")
    posted = await api.submit(*customers)

    reply = await api.decide(posted.data["requestId"])

    assert_like(reply.document, "request.response.approved-partial", "WorkflowRequestResponse")


async def test_a_repeated_inner_request_id_looks_like_the_example(api: Api) -> None:
    await api.submit(700000005)
    posted = await api.submit()
    api.sandbox.decide(api.sandbox.requests[0].workflow_request_id, "approved")

    reply = await api.decide(posted.data["requestId"])

    assert_like(reply.document, "request.response.failed", "WorkflowRequestResponse")
    assert reply.output["body"] == example("error.809")


async def test_a_failure_under_http_200_looks_like_the_example(open_sandbox: OpenSandbox) -> None:
    api = await open_sandbox(decide_after_seconds=0, fail_share=1)
    replies = [await api.submit(customer, request_id=f"r{customer}") for customer in range(1, 30)]

    forms = {reply.output["status"]: reply for reply in replies}

    assert set(forms) == {200, 400, 500}
    assert_like(forms[200].document, "request.response.failed-http-200", "WorkflowRequestResponse")
    assert {reply.data["state"] for reply in replies} == {"failed"}
    for reply in replies:
        validator("WorkflowRequestResponse").validate(reply.document)
        assert reply.output["body"].get("data") is None
        assert reply.output["body"]["errors"]


async def test_a_rejected_request_looks_like_the_example(api: Api) -> None:
    posted = await api.submit(700000006)

    reply = await api.decide(posted.data["requestId"], "rejected")

    assert_like(reply.document, "request.response.rejected", "WorkflowRequestResponse")


async def test_a_list_looks_like_the_example(api: Api) -> None:
    empty = await api.list()
    await api.submit()
    full = await api.list()

    assert empty.document == example("requests.list.empty")
    validator("WorkflowRequestPage").validate(full.document)
    assert list(full.document["pagination"]) == list(example("requests.list.page")["pagination"])
    assert list(full.data[0]) == list(example("requests.list.page")["data"][0])


async def test_a_token_looks_like_the_example(api: Api) -> None:
    assert_like((await api.token()).document, "oauth.response", "TokenResponse")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429])
async def test_a_refusal_looks_like_the_example(open_sandbox: OpenSandbox, status: int) -> None:
    api = await open_sandbox(rate_limit=1)
    api.sandbox.will_answer(status)

    reply = await api.submit()

    assert reply.status == status
    assert reply.document["errors"][0]["code"] == status
    assert_like(reply.document, f"error.{status}", "ErrorEnvelope")


async def test_a_server_error_looks_like_the_example(api: Api) -> None:
    api.sandbox.will_answer(500)

    assert (await api.submit()).document == example("error.5xx")


async def test_times_are_the_clusters_own_and_dates_are_gmt(api: Api, clock: MovedClock) -> None:
    posted = await api.submit()
    clock.advance(7)
    decided = await api.decide(posted.data["requestId"])

    assert posted.data["startTime"] == "2026-03-02T10:15:00"
    assert decided.data["endTime"] == "2026-03-02T10:15:07"
    assert decided.output["headers"]["Date"] == ["Mon, 02 Mar 2026 04:45:07 GMT"]


async def test_a_status_is_fractional_only_where_a_checker_was_involved(open_sandbox: OpenSandbox) -> None:
    by_checker, automatic = await open_sandbox(), await open_sandbox(decide_after_seconds=0)
    posted = await by_checker.submit()

    decided = await by_checker.decide(posted.data["requestId"])
    at_once = await automatic.submit()

    assert b'"status":200.0,' in decided.body
    assert b'"status":200,' in at_once.body


async def test_customers_come_back_in_another_order(open_sandbox: OpenSandbox) -> None:
    api = await open_sandbox(decide_after_seconds=0)

    reply = await api.submit(5, 6, 7)

    assert [one["customerId"] for one in reply.output["body"]["data"]["issuedBadges"]] == [7, 6, 5]


async def test_the_stored_payload_comes_back_with_its_credentials(api: Api) -> None:
    posted = await api.submit()

    task = posted.data["details"]["IntouchAPITask-Payload"]

    assert task == submission()["payload"]["IntouchAPITask-Payload"]
    assert task["headers"]["Authorization"]


async def test_a_request_without_an_owner_is_answered_without_one(open_sandbox: OpenSandbox) -> None:
    api = await open_sandbox(decide_after_seconds=0)
    document = submission()
    del document["payload"]["IntouchAPITask-Payload"]["body"]["triggeredBy"]

    reply = await api.post(document)

    assert "triggeredBy" not in reply.output["body"]["data"]


async def test_every_answer_carries_a_trace_id_of_its_own(api: Api) -> None:
    replies = [
        await api.submit(),
        await api.list(),
        await api.list(limit="none"),
        await api.token(),
        await api.call("GET", "/nowhere", headers={}),
    ]

    assert len({reply.headers["X-CAP-REQUEST-ID"] for reply in replies}) == len(replies)


async def test_an_unknown_route_and_a_wrong_method_get_an_error_envelope(api: Api) -> None:
    unknown = await api.call("GET", "/api_gateway/v2/request-workflow/requests", headers=api.maker())
    wrong = await api.call("DELETE", "ISSUE-BADGE", headers=api.maker())

    assert (unknown.status, wrong.status) == (404, 405)
    validator("ErrorEnvelope").validate(unknown.document)
    validator("ErrorEnvelope").validate(wrong.document)
