"""The pace: evenly spaced calls, shared by all who share a ledger."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from batch_issuer.ledger import Ledger
from batch_issuer.submission import Pace
from tests.conftest import START, FakeClock
from tests.contract.ledger.conftest import OpenAgain

SERVER = "https://api.example.com 999001"
MINUTE = timedelta(seconds=60)


def pace_of(ledger: Ledger, time: FakeClock, *, rate: float = 100, server: str = SERVER) -> Pace:
    return Pace(ledger, server=server, rate=rate, clock=time.clock)


async def calls(pace: Pace, time: FakeClock, count: int, stopping: asyncio.Event) -> list[datetime]:
    instants = []
    for _ in range(count):
        await pace.wait(stopping)
        instants.append(time.at)
    return instants


def most_in_a_window(instants: list[datetime]) -> int:
    """Count the calls of the fullest 60 seconds, both ends included."""
    return max(sum(start <= instant <= start + MINUTE for instant in instants) for start in instants)


@pytest.fixture
def stopping() -> asyncio.Event:
    return asyncio.Event()


@pytest.mark.parametrize("rate", [100, 10, 1])
async def test_no_window_of_a_minute_holds_more_than_the_rate(
    ledger: Ledger, time: FakeClock, stopping: asyncio.Event, rate: float
) -> None:
    instants = await calls(pace_of(ledger, time, rate=rate), time, int(3 * rate), stopping)
    assert most_in_a_window(instants) <= rate
    taken = (instants[-1] - instants[0]).total_seconds()
    assert taken == pytest.approx((len(instants) - 1) * 60 / (rate * 0.99), rel=1e-3)


async def test_the_first_call_waits_for_nothing_and_the_second_for_its_turn(
    ledger: Ledger, time: FakeClock, stopping: asyncio.Event
) -> None:
    first, second = await calls(pace_of(ledger, time), time, 2, stopping)
    assert first == START
    assert (second - first).total_seconds() == pytest.approx(60 / 99, abs=1e-4)


async def test_idle_time_is_not_saved_up_for_a_burst(
    ledger: Ledger, time: FakeClock, stopping: asyncio.Event
) -> None:
    pace = pace_of(ledger, time)
    await calls(pace, time, 1, stopping)
    time.advance(3600)
    assert most_in_a_window(await calls(pace, time, 150, stopping)) <= 100


async def test_two_programs_on_one_ledger_share_one_pace(
    ledger: Ledger, open_again: OpenAgain, time: FakeClock, stopping: asyncio.Event
) -> None:
    async with open_again() as other_ledger:
        one, other = pace_of(ledger, time), pace_of(other_ledger, time)
        instants = []
        for _ in range(75):
            instants += await calls(one, time, 1, stopping)
            instants += await calls(other, time, 1, stopping)
    assert most_in_a_window(instants) <= 100


async def test_many_who_wait_at_once_get_turns_of_their_own(
    ledger: Ledger, time: FakeClock, stopping: asyncio.Event
) -> None:
    slept = []

    async def stand_still(seconds: float) -> None:
        slept.append(seconds)

    time.clock = replace(time.clock, sleep=stand_still)
    pace = pace_of(ledger, time)
    await asyncio.gather(*(pace.wait(stopping) for _ in range(10)))
    assert sorted(slept) == pytest.approx([turn * 60 / 99 for turn in range(1, 10)], abs=1e-3)


async def test_servers_do_not_wait_for_each_other(
    ledger: Ledger, time: FakeClock, stopping: asyncio.Event
) -> None:
    for server in ("one", "two", "three"):
        await pace_of(ledger, time, server=server).wait(stopping)
    assert time.at == START


@pytest.mark.parametrize("rate", [100, 0])
async def test_a_429_keeps_every_later_call_away(
    ledger: Ledger, time: FakeClock, stopping: asyncio.Event, rate: float
) -> None:
    pace = pace_of(ledger, time, rate=rate)
    await pace.wait(stopping)
    await pace.postpone(30)
    await pace.postpone(10)
    (instant,) = await calls(pace, time, 1, stopping)
    assert (instant - START).total_seconds() == pytest.approx(30, abs=1e-3)


async def test_a_429_keeps_another_programs_calls_away(
    ledger: Ledger, time: FakeClock, stopping: asyncio.Event
) -> None:
    await pace_of(ledger, time).postpone(30)
    await pace_of(ledger, time).wait(stopping)
    assert (time.at - START).total_seconds() == pytest.approx(30, abs=1e-3)


async def test_a_turn_that_was_given_before_a_429_is_void(
    ledger: Ledger, time: FakeClock, stopping: asyncio.Event
) -> None:
    asleep, awake = asyncio.Event(), asyncio.Event()

    async def sleep(seconds: float) -> None:
        asleep.set()
        await awake.wait()
        await time.sleep(seconds)

    pace = Pace(ledger, server=SERVER, rate=100, clock=replace(time.clock, sleep=sleep))
    await pace.wait(stopping)
    waiting = asyncio.create_task(pace.wait(stopping))
    await asleep.wait()
    await pace.postpone(30)
    awake.set()
    await waiting
    assert (time.at - START).total_seconds() >= 30


async def test_an_unlimited_pace_writes_nothing(
    ledger: Ledger, time: FakeClock, stopping: asyncio.Event
) -> None:
    await calls(pace_of(ledger, time, rate=0), time, 100, stopping)
    assert time.at == START
    rows = await ledger.read(lambda c: c.exec_driver_sql("select count(*) from pace").scalar())
    assert rows == 0


async def test_a_pace_from_a_time_when_the_clock_was_wrong_is_forgotten(
    ledger: Ledger, time: FakeClock, stopping: asyncio.Event
) -> None:
    pace = pace_of(ledger, time)
    time.advance(10 * 365 * 86400)
    await pace.wait(stopping)
    time.at = START
    await pace.wait(stopping)
    assert time.at == START


async def test_a_stop_ends_the_wait_at_once(ledger: Ledger, time: FakeClock, stopping: asyncio.Event) -> None:
    asleep = asyncio.Event()

    async def sleep_for_ever(_: float) -> None:
        asleep.set()
        await asyncio.Event().wait()

    pace = Pace(ledger, server=SERVER, rate=0.01, clock=replace(time.clock, sleep=sleep_for_ever))
    await pace.wait(stopping)
    waiting = asyncio.create_task(pace.wait(stopping))
    await asleep.wait()
    stopping.set()
    await waiting
    await pace.wait(stopping)
