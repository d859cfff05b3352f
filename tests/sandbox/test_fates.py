"""Fates follow the seed and the content, and nothing else."""

from collections import Counter

import pytest

from batch_issuer.sandbox import Scenario, fates
from batch_issuer.sandbox.fates import CustomerFate, RequestFate

from .api import Api
from .conftest import MovedClock, OpenSandbox
from .published import BADGE, OTHER_BADGE

MIXED = Scenario(reject_share=0.2, leave_share=0.1, fail_share=0.3, holder_share=0.2, omit_share=0.1)


def request_fates(scenario: Scenario, badge: str = BADGE) -> list[RequestFate]:
    return [fates.request_fate(scenario, badge=badge, first_customer=customer) for customer in range(1, 2001)]


def test_shares_are_kept() -> None:
    counts = Counter(request_fates(MIXED))

    assert counts[RequestFate.REJECTED] == pytest.approx(400, abs=60)
    assert counts[RequestFate.LEFT] == pytest.approx(200, abs=60)
    assert counts[RequestFate.FAILED] == pytest.approx(600, abs=60)


def test_shares_of_customers_are_kept() -> None:
    counts = Counter(
        fates.customer_fate(MIXED, badge=BADGE, customer=customer) for customer in range(1, 2001)
    )

    assert counts[CustomerFate.HOLDER] == pytest.approx(400, abs=60)
    assert counts[CustomerFate.OMITTED] == pytest.approx(200, abs=60)


def test_another_seed_or_badge_brings_other_fates() -> None:
    other_seed = Scenario(seed=1, reject_share=0.2, leave_share=0.1, fail_share=0.3)

    assert request_fates(MIXED) != request_fates(other_seed)
    assert request_fates(MIXED) != request_fates(MIXED, OTHER_BADGE)


async def outcomes(api: Api, clock: MovedClock, prefix: str) -> list[tuple[object, ...]]:
    for customer in range(1, 61, 2):
        await api.submit(customer, customer + 1, request_id=f"{prefix}{customer}")
        clock.advance(0.5)
    clock.advance(100)
    return [
        (
            one["state"],
            one["customers"],
            one["error_code"],
            [(each["customer_id"], each["result"]) for each in one["results"]],
        )
        for one in api.sandbox.truth()["requests"]
    ]


async def test_the_same_content_meets_the_same_fate_whenever_and_under_whatever_ids(
    open_sandbox: OpenSandbox, clock: MovedClock
) -> None:
    shares = {
        "reject_share": 0.2,
        "leave_share": 0.2,
        "fail_share": 0.2,
        "holder_share": 0.2,
        "omit_share": 0.2,
    }
    first = await open_sandbox(decide_after_seconds=5, **shares)
    second = await open_sandbox(decide_after_seconds=9, **shares)

    before = await outcomes(first, clock, "a")
    clock.advance(12345)
    after = await outcomes(second, clock, "b")

    assert before == after
    assert {state for state, *_ in before} == {"AdminTask", "approved", "rejected", "failed"}


async def test_an_omitted_customer_is_missing_from_the_answer(open_sandbox: OpenSandbox) -> None:
    api = await open_sandbox(decide_after_seconds=0, omit_share=1)

    reply = await api.submit(7)

    assert reply.data["state"] == "approved"
    assert reply.output["body"]["data"]["issuedBadges"] == []
    assert api.sandbox.truth()["requests"][0]["results"] == [
        {"customer_id": 7, "result": "omitted", "issued_id": None}
    ]


async def test_a_holder_keeps_one_older_issue(open_sandbox: OpenSandbox) -> None:
    api = await open_sandbox(decide_after_seconds=0, holder_share=1)

    first = (await api.submit(7, request_id="one")).output["body"]["data"]["issuedBadges"]
    second = (await api.submit(7, request_id="two")).output["body"]["data"]["issuedBadges"]

    assert first == second
    assert first[0]["error"]["code"] == 1040
    assert first[0]["issuedId"]


@pytest.mark.parametrize(
    "options",
    [
        {"reject_share": -0.1},
        {"fail_share": 1.1},
        {"reject_share": 0.6, "leave_share": 0.6},
        {"holder_share": 0.6, "omit_share": 0.6},
        {"omit_share": float("nan")},
        {"decide_after_seconds": -1},
        {"latency_seconds": -1},
        {"rate_limit": 0},
        {"base_path": "no-slash"},
        {"base_path": "/slash/"},
    ],
)
def test_a_scenario_that_makes_no_sense_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must"):
        Scenario(**options)  # type: ignore[arg-type]  # wrong values are the point


async def test_the_base_path_can_be_the_other_form(open_sandbox: OpenSandbox) -> None:
    api = await open_sandbox(base_path="/api_gateway/v2/request-workflow")

    assert (await api.submit()).status == 200
    wrong = await api.call("GET", "/v2/api_gateway/v2/request-workflow/requests", headers=api.maker())
    assert wrong.status == 404
