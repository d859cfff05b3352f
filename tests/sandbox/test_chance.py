"""Random faults: the mix, its shares, and the same for the same number under the same seed."""

import dataclasses
from collections import Counter

import aiohttp
import pytest

from batch_issuer.sandbox import Scenario
from batch_issuer.sandbox.faults import (
    AnswerInstead,
    Chance,
    DeliveredTwice,
    ExpiredToken,
    Fault,
    GzippedAnswer,
    HugeAnswer,
    Method,
    Redirected,
    Silence,
    SlowDrip,
    TooManyRequests,
)
from batch_issuer.sandbox.faults.mix import kinds

from .api import Api
from .conftest import OpenSandbox


def met(
    scenario: Scenario, method: Method = "POST", *, by_token: bool = False, calls: int = 2000
) -> list[Fault | None]:
    chance = Chance(scenario)
    return [chance.fault(method, number=number, by_token=by_token) for number in range(1, calls + 1)]


def test_without_shares_nothing_happens() -> None:
    assert set(met(Scenario())) == {None}


@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
def test_the_share_is_kept_by_each_method(method: Method) -> None:
    faults = met(Scenario(fault_share=0.3), method)

    assert sum(fault is not None for fault in faults) == pytest.approx(600, abs=60)


def test_posts_alone_are_delivered_twice_and_by_their_own_share() -> None:
    scenario = Scenario(fault_share=0.3, twice_share=0.2)

    twice = [isinstance(fault, DeliveredTwice) for fault in met(scenario)]

    assert sum(twice) == pytest.approx(400, abs=60)
    assert not any(isinstance(fault, DeliveredTwice) for fault in met(scenario, "PUT"))
    assert not any(isinstance(fault, DeliveredTwice) for fault in met(Scenario(fault_share=1)))


def test_the_same_seed_and_number_meet_the_same() -> None:
    scenario = Scenario(fault_share=0.5, twice_share=0.2)

    assert met(scenario) == met(scenario)
    assert met(scenario) != met(dataclasses.replace(scenario, seed=1))
    assert met(scenario, "GET") != met(scenario, "PUT")


def test_every_kind_and_form_of_the_mix_turns_up() -> None:
    scenario = Scenario(fault_share=1)
    forms = {
        fault for of_kind in kinds(fault_seconds=2.0).values() for fault in of_kind if is_hashable(fault)
    }

    assert forms <= {fault for fault in met(scenario, by_token=True) if is_hashable(fault)}
    assert {fault.status for fault in met(scenario) if isinstance(fault, AnswerInstead)} == {
        413, 500, 502, 503, 504,
    }  # fmt: skip


def is_hashable(fault: Fault | None) -> bool:
    return not isinstance(fault, AnswerInstead)  # its headers are a dict


def test_tokens_expire_only_for_those_who_have_one_and_all_else_stays_the_same() -> None:
    by_basic, by_token = met(Scenario(fault_share=1)), met(Scenario(fault_share=1), by_token=True)

    assert not any(isinstance(fault, ExpiredToken) for fault in by_basic)
    differing = [pair for pair in zip(by_basic, by_token, strict=True) if pair[0] != pair[1]]
    assert differing
    assert all(isinstance(fault, ExpiredToken) for _, fault in differing)


def test_reads_are_never_too_large() -> None:
    statuses = Counter(
        fault.status for fault in met(Scenario(fault_share=1), "GET") if isinstance(fault, AnswerInstead)
    )

    assert 413 not in statuses
    assert statuses[503] > 0


def test_what_hangs_is_bounded_and_the_unbearable_is_left_out() -> None:
    faults = met(Scenario(fault_share=1, fault_seconds=0.5))

    assert {fault.seconds for fault in faults if isinstance(fault, Silence | SlowDrip)} == {0.5}
    assert {fault.wait_seconds for fault in faults if isinstance(fault, TooManyRequests)} == {0}
    assert not any(isinstance(fault, HugeAnswer) for fault in faults)
    assert not any(isinstance(fault, GzippedAnswer) and fault.corrupt for fault in faults)
    assert any(isinstance(fault, Redirected) for fault in faults)


async def experience(api: Api) -> list[str]:
    found = []
    for number in range(60):
        try:
            reply = await api.submit(number + 1, request_id=f"r{number}")
        except aiohttp.ClientError as error:
            found.append(type(error).__name__)
        else:
            found.append(f"{reply.status} {reply.headers.get('Content-Type')} {len(reply.body)}")
    return found


async def test_two_sandboxes_of_one_seed_treat_their_callers_alike(open_sandbox: OpenSandbox) -> None:
    first, second = [await open_sandbox(fault_share=0.6, twice_share=0.2, seed=5) for _ in range(2)]

    assert await experience(first) == await experience(second)
    assert first.sandbox.truth()["created"] == second.sandbox.truth()["created"]
    assert 2 in first.sandbox.truth()["created"].values()


async def test_a_script_goes_before_chance(open_sandbox: OpenSandbox) -> None:
    api = await open_sandbox(twice_share=1)
    api.sandbox.will_answer(418)

    assert [(await api.submit()).status for _ in range(2)] == [418, 200]
    assert len(api.sandbox.requests) == 2


async def test_requests_are_decided_in_time_in_the_midst_of_it(open_sandbox: OpenSandbox) -> None:
    api = await open_sandbox(fault_share=0.5, twice_share=0.3, decide_after_seconds=0)

    await experience(api)

    assert {request["state"] for request in api.sandbox.truth()["requests"]} == {"approved", "failed"}
    assert {one["times"] for one in api.sandbox.truth()["issued"]} == {1}


@pytest.mark.parametrize(
    "wrong",
    [
        {"fault_share": 1.1},
        {"fault_share": -0.1},
        {"fault_share": 0.6, "twice_share": 0.6},
        {"fault_seconds": -1},
        {"list_lag_seconds": -1},
        {"list_repeat_share": 2},
        {"list_failure_share": -1},
        {"list_shift": "sideways"},
        {"max_customers": 0},
    ],
)
def test_a_scenario_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"share|must"):
        Scenario(**wrong)  # type: ignore[arg-type]  # wrong on purpose
