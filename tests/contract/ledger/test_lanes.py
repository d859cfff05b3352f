"""Lanes: each request is one lane's, and what a lane leaves behind is free, or in doubt, at once."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from batch_issuer.batch.stages import Stage
from batch_issuer.errors import BatchTakenOver
from batch_issuer.ledger import Ledger, Missing, Unsent
from batch_issuer.ledger.lanes import end_runs, is_run_on, stop_run
from batch_issuer.ledger.leases import renew_lease
from batch_issuer.ledger.transitions import apply_transitions
from tests.conftest import BATCH, KEY, FakeClock, make_request, make_requests, plan
from tests.contract.ledger.conftest import OpenAgain
from tests.contract.ledger.road import GONE, LATER, MOST, RUN, Road, lane

ONE, TWO = lane(1), lane(2)


@pytest.fixture
async def road(ledger: Ledger, time: FakeClock) -> Road:
    opened = Road(ledger, time)
    await plan(ledger, make_requests(4))
    await opened.begin()
    return opened


def chunks(found: list[Unsent] | None) -> list[int]:
    assert found is not None
    return [unsent.request.chunk for unsent in found]


async def test_two_lanes_claim_different_requests_in_order(road: Road) -> None:
    await road.take(ONE)
    await road.take(TWO)
    assert chunks(await road.claim(ONE)) == [1, 2]
    assert chunks(await road.claim(TWO, 5)) == [3, 4]
    assert chunks(await road.claim(ONE)) == []
    assert await road.left() == 0


async def test_a_lane_has_one_owner(road: Road) -> None:
    assert await road.take(ONE) is None
    assert await road.take(lane(1, "another")) is not None


async def test_no_lane_is_taken_when_the_run_is_over(road: Road) -> None:
    await road.ledger.write(end_runs, BATCH, road.claim_of(), at=LATER)
    with pytest.raises(BatchTakenOver):
        await road.take(ONE)


async def test_a_lane_claims_nothing_more_when_the_run_is_over(road: Road) -> None:
    await road.take(ONE)
    look = await road.ledger.write(end_runs, BATCH, road.claim_of(), at=LATER)
    assert look.held == [1]
    assert await road.claim(ONE) is None


async def test_a_run_goes_on_until_its_lease_runs_out_or_is_taken(road: Road, time: FakeClock) -> None:
    assert await road.ledger.read(is_run_on, RUN, road.ledger.now)
    assert not await road.ledger.read(is_run_on, replace(RUN, owner="earlier"), road.ledger.now)
    time.advance(61)
    assert not await road.ledger.read(is_run_on, RUN, road.ledger.now)


async def test_a_run_whose_process_is_gone_is_over(road: Road) -> None:
    await road.ledger.write(end_runs, BATCH, road.claim_of(), at=LATER)
    await road.begin(process=GONE)
    assert not await road.ledger.read(is_run_on, RUN, road.ledger.now)


async def test_what_a_dead_lane_had_claimed_is_free_and_what_it_had_marked_is_in_doubt(road: Road) -> None:
    await road.take(ONE, GONE)
    claimed = await road.claim(ONE)
    assert claimed is not None
    await road.send(ONE, claimed[0])
    look = await road.look()
    assert (list(look.held), list(look.buried)) == ([], [1])
    assert await road.stages() == ["in_doubt", "not_sent", "not_sent", "not_sent"]
    await road.take(TWO)
    assert chunks(await road.claim(TWO, 9)) == [2, 3, 4]


async def test_whoever_takes_the_lane_of_a_dead_owner_frees_what_was_its(road: Road) -> None:
    await road.take(ONE, GONE)
    await road.claim(ONE, 9)
    again = lane(1, "again")
    assert await road.take(again) is None
    assert chunks(await road.claim(again, 9)) == [1, 2, 3, 4]


async def test_a_lane_that_slept_past_its_lease_writes_nothing_when_it_wakes(
    road: Road, time: FakeClock
) -> None:
    await road.take(ONE)
    claimed = await road.claim(ONE)
    assert claimed is not None
    time.advance(61)
    assert list((await road.look()).buried) == [1]
    await road.take(TWO)
    assert chunks(await road.claim(TWO)) == [1, 2]
    for late in (road.send(ONE, claimed[0]), road.claim(ONE)):
        with pytest.raises(BatchTakenOver):
            await late
    assert not await road.ledger.write(renew_lease, ONE, road.claim_of())
    with pytest.raises(BatchTakenOver):
        await road.ledger.write(stop_run, RUN, lane=ONE)
    await road.end(ONE)
    assert await road.ledger.read(is_run_on, RUN, road.ledger.now) is False  # its own lease ran out, too
    assert chunks(await road.claim(TWO)) == [3, 4]


@pytest.mark.parametrize("stage", [Stage.NOT_SENT, Stage.SPLIT, Stage.REFUSED])
async def test_an_answer_that_a_buried_lane_writes_changes_no_stage(
    road: Road, time: FakeClock, stage: Stage
) -> None:
    await road.take(ONE)
    (claimed,) = await road.claim(ONE, 1) or []
    await road.send(ONE, claimed)
    time.advance(61)
    await road.look()
    await road.answer(ONE, claimed, stage)
    assert await road.stages() == ["in_doubt", "not_sent", "not_sent", "not_sent"]


async def test_a_lane_that_ends_gives_back_what_it_did_not_send(road: Road) -> None:
    await road.take(ONE)
    claimed = await road.claim(ONE, 3)
    assert claimed is not None
    await road.send(ONE, claimed[0])
    await road.answer(ONE, claimed[0], Stage.SUBMITTED)
    await road.send(ONE, claimed[1])
    await road.end(ONE)
    assert await road.stages() == ["submitted", "in_doubt", "not_sent", "not_sent"]
    await road.take(TWO)
    assert chunks(await road.claim(TWO, 9)) == [3, 4]


async def test_halves_belong_to_the_lane_that_made_them_and_are_free_when_it_ends(road: Road) -> None:
    await road.take(ONE)
    await road.take(TWO)
    (claimed,) = await road.claim(ONE, 1) or []
    await road.send(ONE, claimed)
    await road.answer(ONE, claimed, Stage.SPLIT)
    assert chunks(await road.claim(TWO, 9)) == [2, 3, 4]
    await road.end(ONE)
    assert chunks(await road.claim(TWO, 9)) == [1, 1]


async def test_attempts_count_over_all_lanes_of_a_sending_and_anew_in_the_next(road: Road) -> None:
    for spent in range(MOST):
        await road.take(ONE)
        (claimed,) = await road.claim(ONE, 1) or []
        assert (claimed.request.chunk, claimed.attempts, claimed.spent) == (1, spent, spent)
        await road.send(ONE, claimed)
        await road.answer(ONE, claimed, Stage.NOT_SENT)
        await road.end(ONE)
    await road.take(ONE)
    assert chunks(await road.claim(ONE, 9)) == [2, 3, 4]
    await road.end(ONE)
    assert await road.left() == 3
    await road.take(ONE)
    (claimed, *_) = await road.claim(ONE, 9, sending="two") or []
    assert (claimed.attempts, claimed.spent) == (MOST, 0)


async def test_what_the_server_does_not_have_may_be_claimed_again(road: Road) -> None:
    await road.take(ONE)
    (claimed,) = await road.claim(ONE, 1) or []
    await road.send(ONE, claimed)
    await road.answer(ONE, claimed, Stage.IN_DOUBT)
    missing = Missing(lease=KEY, request_id=claimed.request.request_id, at=LATER)
    await road.ledger.write(apply_transitions, [missing])
    await road.take(TWO)
    assert chunks(await road.claim(TWO, 9)) == [1, 2, 3, 4]


async def test_a_lane_can_end_its_run_for_all(road: Road) -> None:
    await road.take(ONE)
    await road.take(TWO)
    await road.ledger.write(stop_run, RUN, lane=ONE)
    assert await road.claim(TWO) is None
    assert not (await road.look()).is_on


async def test_many_lanes_that_claim_and_die_at_the_same_time_never_share_a_request(
    ledger: Ledger, open_again: OpenAgain, time: FakeClock
) -> None:
    await plan(ledger, [make_request(chunk=number) for number in range(1, 201)])
    claimed: Counter[str] = Counter()
    async with open_again() as other:
        roads = [Road(ledger, time), Road(other, time)]
        await roads[0].begin()

        async def drive(number: int) -> None:
            road = roads[number % 2]
            for life in range(4):
                key = lane(number, f"lane {number}, life {life}")
                assert await road.take(key) is None
                while found := await road.claim(key, 3):
                    for unsent in found[:2] if life < 3 else found:
                        claimed[unsent.request.request_id] += 1
                        await road.send(key, unsent)
                        await road.answer(key, unsent, Stage.SUBMITTED)
                    if life < 3:
                        break
                await road.end(key)

        await asyncio.gather(*(drive(number) for number in range(8)))
    assert len(claimed) == 200
    assert set(claimed.values()) == {1}
