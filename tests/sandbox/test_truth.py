"""What the truth says about issues and creations, and the hand that decides all that waits."""

import json
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from batch_issuer.sandbox import Scenario
from batch_issuer.sandbox.control import Control
from batch_issuer.sandbox.faults import DeliveredTwice

from .api import Api, Reply
from .conftest import OpenSandbox
from .published import BADGE, submission


async def decide_all(api: Api, document: object, **headers: str) -> Reply:
    return await api.call("POST", "/sandbox/decide-all", headers=headers, body=json.dumps(document).encode())


def owned(*customers: int, request_id: str, owner_type: str | None, reference_id: str = "R1") -> Any:
    document = submission(customers=customers, request_id=request_id)
    body = document["payload"]["IntouchAPITask-Payload"]["body"]
    body.pop("triggeredBy", None)
    if owner_type is not None:
        body["triggeredBy"] = {"ownerType": owner_type, "referenceId": reference_id}
    return document


async def test_the_truth_says_which_requests_were_executed(api: Api) -> None:
    for number in range(3):
        await api.submit(number + 1, request_id=f"r{number}")
    approved, rejected, _ = api.sandbox.requests
    api.sandbox.decide(approved.workflow_request_id, "approved")
    api.sandbox.decide(rejected.workflow_request_id, "rejected")

    assert [one["executed"] for one in api.sandbox.truth()["requests"]] == [True, False, False]


async def test_the_truth_counts_what_was_created_for_each_request_id(api: Api) -> None:
    api.sandbox.will(DeliveredTwice())
    await api.submit(request_id="twice")
    await api.submit(request_id="once")

    assert api.sandbox.truth()["created"] == {"twice": 2, "once": 1}


async def test_twins_issue_once(api: Api) -> None:
    api.sandbox.will(DeliveredTwice())
    await api.post(owned(1, 2, request_id="twins", owner_type="Milestones"))

    api.sandbox.decide_all("approved")

    group = {"badge_meta_id": BADGE, "owner_type": "Milestones", "reference_id": "R1"}
    assert api.sandbox.truth()["issued"] == [
        {"customer_id": 1, **group, "times": 1},
        {"customer_id": 2, **group, "times": 1},
    ]
    assert [one["error_code"] for one in api.sandbox.truth()["requests"]] == [None, 809]


async def test_two_executed_requests_for_one_customer_and_group_count_twice(api: Api) -> None:
    for request_id in ("a", "b"):
        await api.post(owned(1, request_id=request_id, owner_type=None))
    # The later one runs first: the order of acceptance must not matter.
    for record in reversed(api.sandbox.requests):
        api.sandbox.decide(record.workflow_request_id, "approved")

    nobody = {"badge_meta_id": BADGE, "owner_type": None, "reference_id": None}
    assert api.sandbox.truth()["issued"] == [{"customer_id": 1, **nobody, "times": 2}]


async def test_an_issue_of_another_group_is_no_repetition(open_sandbox: OpenSandbox) -> None:
    api = await open_sandbox(decide_after_seconds=0)
    for reference_id in ("R1", "R2"):
        await api.post(owned(1, request_id=reference_id, owner_type="Milestones", reference_id=reference_id))

    issued = api.sandbox.truth()["issued"]

    assert [(one["reference_id"], one["times"]) for one in issued] == [("R1", 1)]


async def test_holders_of_old_were_not_issued_here(open_sandbox: OpenSandbox) -> None:
    api = await open_sandbox(decide_after_seconds=0, holder_share=1)
    await api.submit()

    assert api.sandbox.truth()["issued"] == []


@pytest.mark.parametrize(("verdict", "state"), [("approved", "approved"), ("rejected", "rejected")])
async def test_all_that_waits_can_be_decided_from_outside(api: Api, verdict: str, state: str) -> None:
    posted = [await api.submit(number, request_id=f"r{number}") for number in (1, 2)]
    api.sandbox.decide(posted[0].data["requestId"], "rejected")
    calls = dict(api.sandbox.calls)

    reply = await decide_all(api, {"verdict": verdict})

    assert (reply.status, reply.document) == (200, {"decided": [posted[1].data["requestId"]]})
    assert api.sandbox.requests[1].state == state
    assert api.sandbox.calls == calls


@pytest.mark.parametrize("document", [{}, {"verdict": "maybe"}, {"verdict": "approved", "who": "me"}, []])
async def test_nonsense_decides_nothing(api: Api, document: object) -> None:
    await api.submit()

    assert (await decide_all(api, document)).status == 400
    assert api.sandbox.requests[0].state == "AdminTask"


@pytest.mark.parametrize("remote", ["192.0.2.7", "2001:db8::1", None])
async def test_only_this_machine_decides(api: Api, remote: str | None) -> None:
    control = Control(truth=api.sandbox.truth, decide_all=api.sandbox.decide_all)
    request = make_mocked_request("POST", "/sandbox/decide-all")

    answer = await control.decide_all(request.clone(remote=remote) if remote else request)

    assert answer.status == 403


async def test_what_an_invisible_checker_leaves_can_still_be_decided(open_sandbox: OpenSandbox) -> None:
    scenario = Scenario(decide_after_seconds=5, leave_share=1)
    api = await open_sandbox(decide_after_seconds=scenario.decide_after_seconds, leave_share=1)
    await api.submit()

    await decide_all(api, {"verdict": "approved"})

    assert api.sandbox.requests[0].state == "approved"
