"""Following the states: after 5 s, then ever later up to a minute, and no longer than was asked for."""

import asyncio
from dataclasses import replace

import pytest

from batch_issuer.gateway import AnswerKind
from batch_issuer.sandbox import Sandbox
from batch_issuer.tracking import Reading
from tests.conftest import FakeClock, make_access
from tests.tracking.conftest import Watch


async def test_the_waits_double_from_five_seconds_to_a_minute(
    watch: Watch, sandbox: Sandbox, time: FakeClock
) -> None:
    await watch.submit(sandbox, 1)
    reading = await watch.wait(make_access(sandbox.url), seconds=255)
    assert time.slept == [5, 10, 20, 40, 60, 60, 60]
    assert sandbox.calls["GET requests"] == 7
    assert reading is not None
    assert reading.is_complete is False


async def test_the_last_wait_ends_when_time_is_up_and_the_states_are_read_once_more(
    watch: Watch, sandbox: Sandbox, time: FakeClock
) -> None:
    await watch.submit(sandbox, 1)
    await watch.wait(make_access(sandbox.url), seconds=17)
    assert (time.slept, sandbox.calls["GET requests"]) == ([5, 10, 2], 3)


async def test_waiting_ends_once_all_is_final(watch: Watch, sandbox: Sandbox, time: FakeClock) -> None:
    await watch.submit(sandbox, 3)

    async def decide_meanwhile(seconds: float) -> None:
        if len(time.slept) == 2:
            sandbox.decide_all("approved")
        await FakeClock.sleep(time, seconds)

    time.clock = replace(time.clock, sleep=decide_meanwhile)
    reading = await watch.wait(make_access(sandbox.url), seconds=3600)
    assert (reading, time.slept) == (Reading(asked=3, settled=3), [5, 10, 20])
    assert await watch.states() == ["approved"] * 3


async def test_no_time_means_no_reading(watch: Watch, sandbox: Sandbox) -> None:
    await watch.submit(sandbox, 1)
    assert await watch.wait(make_access(sandbox.url), seconds=0) is None
    assert sandbox.calls["GET requests"] == 0


async def test_a_stop_ends_the_wait_at_once_and_reads_nothing_more(
    watch: Watch, sandbox: Sandbox, time: FakeClock
) -> None:
    await watch.submit(sandbox, 1)
    asleep = asyncio.Event()

    async def sleep_for_ever(_: float) -> None:
        asleep.set()
        await asyncio.Event().wait()

    time.clock = replace(time.clock, sleep=sleep_for_ever)
    waiting = asyncio.create_task(watch.wait(make_access(sandbox.url), seconds=3600))
    await asleep.wait()
    watch.stopping.set()
    assert await waiting is None
    assert sandbox.calls["GET requests"] == 0


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, AnswerKind.UNAUTHORIZED), (403, AnswerKind.FORBIDDEN), (404, AnswerKind.REFUSED)],
)
async def test_waiting_ends_where_asking_again_can_not_help(
    watch: Watch, sandbox: Sandbox, time: FakeClock, status: int, kind: AnswerKind
) -> None:
    await watch.submit(sandbox, 1)
    sandbox.will_answer_reads(status)
    reading = await watch.wait(make_access(sandbox.url), seconds=3600)
    assert reading is not None
    assert reading.failure is not None
    assert (reading.failure.kind, time.slept) == (kind, [5])


async def test_a_server_that_fails_for_a_while_does_not_end_the_wait(
    watch: Watch, sandbox: Sandbox, time: FakeClock
) -> None:
    await watch.submit(sandbox, 1)
    time.jitter = 0.0
    for _ in range(4):
        sandbox.will_answer_reads(503)
    reading = await watch.wait(make_access(sandbox.url), seconds=15)
    assert reading == Reading(asked=1)
    assert [seconds for seconds in time.slept if seconds] == [5, 10]
