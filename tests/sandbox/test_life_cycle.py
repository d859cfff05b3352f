"""From a submission to its end: decisions, executions, and what the truth says of them."""

import re

import pytest

from batch_issuer.sandbox.records import State
from batch_issuer.sandbox.refusals import AlreadyDecidedError, UnknownRequestError

from .api import Api
from .conftest import MovedClock, OpenSandbox
from .published import OTHER_BADGE, decision, submission


async def test_every_post_opens_another_request_even_with_the_same_inner_id(api: Api) -> None:
    first, second = await api.submit(), await api.submit()

    assert first.data["requestId"] != second.data["requestId"]
    assert [record.request_id for record in api.sandbox.requests] == ["example-batch-0001"] * 2
    assert [record.state for record in api.sandbox.requests] == [State.WAITING] * 2


async def test_of_two_twins_only_the_first_to_be_approved_is_executed(api: Api) -> None:
    first, second = await api.submit(), await api.submit()

    late = await api.decide(second.data["requestId"])
    early = await api.decide(first.data["requestId"])

    assert late.data["state"] == "approved"
    assert early.data["state"] == "failed"
    assert early.output["status"] == 400
    assert early.output["body"]["data"] is None
    assert early.output["body"]["errors"][0]["code"] == 809


async def test_a_rejected_request_leaves_its_inner_id_unused(api: Api) -> None:
    first, second = await api.submit(), await api.submit()

    await api.decide(first.data["requestId"], "rejected")
    approved = await api.decide(second.data["requestId"])

    assert approved.data["state"] == "approved"


async def test_a_customer_who_holds_the_badge_gets_1040_with_the_older_issue(
    open_sandbox: OpenSandbox,
) -> None:
    api = await open_sandbox(decide_after_seconds=0)
    first = await api.submit(7, request_id="one")
    second = await api.submit(7, 8, request_id="two")

    older = first.output["body"]["data"]["issuedBadges"][0]["issuedId"]
    new, held = second.output["body"]["data"]["issuedBadges"]

    assert second.data["state"] == "approved"
    assert (new["customerId"], new["error"]) == (8, None)
    assert (held["customerId"], held["issuedId"], held["error"]["code"]) == (7, older, 1040)


async def test_another_badge_is_issued_to_the_same_customer(open_sandbox: OpenSandbox) -> None:
    api = await open_sandbox(decide_after_seconds=0)
    await api.submit(7, request_id="one")

    reply = await api.post(submission(customers=(7,), request_id="two", badge=OTHER_BADGE))

    assert reply.output["body"]["data"]["issuedBadges"][0]["error"] is None


async def test_issued_ids_are_unique_and_24_hex_digits(open_sandbox: OpenSandbox) -> None:
    api = await open_sandbox(decide_after_seconds=0, holder_share=0.5)
    reply = await api.submit(*range(1, 101))

    issued_ids = [one["issuedId"] for one in reply.output["body"]["data"]["issuedBadges"]]

    assert len(set(issued_ids)) == 100
    assert all(re.fullmatch(r"[0-9a-f]{24}", issued_id) for issued_id in issued_ids)


async def test_a_decision_on_a_request_that_no_longer_waits_is_a_conflict(api: Api) -> None:
    posted = await api.submit()
    await api.decide(posted.data["requestId"], "rejected")

    again = await api.decide(posted.data["requestId"])

    assert again.status == 409
    assert (await api.read(posted.data["requestId"])).data["state"] == "rejected"


async def test_an_unknown_request_is_not_found(api: Api) -> None:
    assert (await api.read("unknown")).status == 404
    assert (await api.decide("unknown")).status == 404
    with pytest.raises(UnknownRequestError):
        api.sandbox.decide("unknown", "approved")


@pytest.mark.parametrize(
    "change", [{"actionName": "adminTask"}, {"requestId": ""}, {"payload": {}}, {"more": 1}]
)
async def test_a_decision_that_breaks_the_contract_is_refused(api: Api, change: dict[str, object]) -> None:
    posted = await api.submit()

    reply = await api.put({**decision(posted.data["requestId"]), **change})

    assert reply.status == 400
    assert api.sandbox.requests[0].state is State.WAITING


async def test_the_test_itself_can_decide(api: Api) -> None:
    await api.submit(1, request_id="one")
    await api.submit(2, request_id="two")
    await api.submit(3, request_id="three")

    api.sandbox.decide(api.sandbox.requests[1].workflow_request_id, "rejected", message="not this one")
    decided = api.sandbox.decide_all("approved")

    assert [record.request_id for record in decided] == ["one", "three"]
    assert [record.state for record in api.sandbox.requests] == [
        State.APPROVED,
        State.REJECTED,
        State.APPROVED,
    ]
    with pytest.raises(AlreadyDecidedError):
        api.sandbox.decide(decided[0].workflow_request_id, "approved")


async def test_an_invisible_checker_decides_when_the_time_has_come(
    open_sandbox: OpenSandbox, clock: MovedClock
) -> None:
    api = await open_sandbox(decide_after_seconds=30)
    posted = await api.submit()

    clock.advance(29)
    before = await api.read(posted.data["requestId"])
    clock.advance(60)
    after = await api.read(posted.data["requestId"])

    assert before.data["state"] == "AdminTask"
    assert after.data["state"] == "approved"
    # Decided when it was due, not when somebody looked.
    assert after.data["endTime"] == "2026-03-02T10:15:30"
    assert after.data["details"]["AdminTask_Output"] == "approved"


async def test_the_invisible_checker_decides_in_order_of_due_time(
    open_sandbox: OpenSandbox, clock: MovedClock
) -> None:
    api = await open_sandbox(decide_after_seconds=30)
    await api.submit()
    clock.advance(10)
    await api.submit()
    clock.advance(100)

    assert [record.state for record in api.sandbox.requests] == [State.APPROVED, State.FAILED]


async def test_a_decision_ahead_of_the_invisible_checker_stands(
    open_sandbox: OpenSandbox, clock: MovedClock
) -> None:
    api = await open_sandbox(decide_after_seconds=30)
    posted = await api.submit()
    await api.decide(posted.data["requestId"], "rejected")

    clock.advance(100)

    assert api.sandbox.requests[0].state is State.REJECTED


@pytest.mark.parametrize(
    ("share", "state"),
    [("reject_share", "rejected"), ("fail_share", "failed"), ("leave_share", "AdminTask")],
)
async def test_a_whole_share_meets_every_request(
    open_sandbox: OpenSandbox, clock: MovedClock, share: str, state: str
) -> None:
    api = await open_sandbox(decide_after_seconds=30, **{share: 1})
    posted = await api.submit()

    clock.advance(1000)

    assert (await api.read(posted.data["requestId"])).data["state"] == state


async def test_without_an_invisible_checker_requests_wait_for_ever(api: Api, clock: MovedClock) -> None:
    posted = await api.submit()

    clock.advance(10**7)

    assert (await api.read(posted.data["requestId"])).data["state"] == "AdminTask"


async def test_the_truth_tells_requests_results_and_counts(
    open_sandbox: OpenSandbox, clock: MovedClock
) -> None:
    api = await open_sandbox(decide_after_seconds=0)
    await api.submit(7, request_id="one")
    reply = await api.submit(7, 8, request_id="two")
    await api.post({})
    await api.list()

    truth = (await api.call("GET", "/sandbox/truth", headers={})).document

    assert truth == api.sandbox.truth()
    assert truth["posts"] == {"received": 3, "accepted": 2, "refused": 1, "rate_limited": 0}
    assert truth["calls"] == {"POST ISSUE-BADGE": 3, "GET requests": 1}
    second = truth["requests"][1]
    assert second["workflow_request_id"] == reply.data["requestId"]
    assert (second["request_id"], second["customers"], second["state"]) == ("two", [7, 8], "approved")
    assert second["accepted_at"] == clock.now
    assert [one["result"] for one in second["results"]] == ["held", "issued"]
    assert api.sandbox.posts == 3


async def test_the_truth_holds_no_credentials(api: Api) -> None:
    await api.submit()

    truth = await api.call("GET", "/sandbox/truth", headers={})

    secret = submission()["payload"]["IntouchAPITask-Payload"]["headers"]["Authorization"]
    assert secret.encode() not in truth.body
