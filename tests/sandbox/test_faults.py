"""Scripted faults: each meets one call, and the truth knows what happened behind it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web

from batch_issuer.sandbox import Sandbox, Scenario
from batch_issuer.sandbox.faults import AnswerInstead, Exchange

from .api import Api
from .conftest import MovedClock, OpenSandbox
from .published import example

AT_ONCE_SECONDS = 5  # far below the time that the server grants handlers which do not end by themselves


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until something holds."""
    while not condition():  # noqa: ASYNC110 - the other side of the socket has no event to offer
        await asyncio.sleep(0)


async def test_a_scripted_answer_meets_one_post_and_records_nothing(api: Api) -> None:
    api.sandbox.will_answer(503, retry_after=2)

    first, second = await api.submit(), await api.submit()

    assert (first.status, first.headers["Retry-After"]) == (503, "2")
    assert first.document["errors"][0]["code"] == 503
    assert second.status == 200
    assert len(api.sandbox.requests) == 1
    assert api.sandbox.truth()["posts"] == {"received": 2, "accepted": 1, "refused": 1, "rate_limited": 0}


async def test_a_request_can_be_recorded_behind_a_scripted_answer(api: Api) -> None:
    api.sandbox.will_answer(502, body=b"<html>bad gateway</html>", accept_first=True)

    reply = await api.submit()

    assert (reply.status, reply.body) == (502, b"<html>bad gateway</html>")
    assert len(api.sandbox.requests) == 1
    assert api.sandbox.truth()["posts"] == {"received": 1, "accepted": 1, "refused": 0, "rate_limited": 0}


async def test_faults_come_in_the_order_of_the_script(api: Api) -> None:
    for status in (500, 429, 408):
        api.sandbox.will_answer(status)

    replies = [await api.submit() for _ in range(4)]

    assert [reply.status for reply in replies] == [500, 429, 408, 200]
    assert api.sandbox.truth()["posts"]["rate_limited"] == 1


async def test_a_refused_post_is_answered_honestly_in_spite_of_a_fault_after_accepting(api: Api) -> None:
    api.sandbox.will_answer(503, accept_first=True)

    assert (await api.post({})).status == 400
    assert (await api.submit()).status == 200


@pytest.mark.parametrize("after_accepting", [True, False])
async def test_a_dropped_connection_leaves_the_caller_without_an_answer(
    api: Api, *, after_accepting: bool
) -> None:
    api.sandbox.will_drop_the_connection(after_accepting=after_accepting)

    with pytest.raises(aiohttp.ClientConnectionError):
        await api.submit()

    assert len(api.sandbox.requests) == after_accepting
    assert api.sandbox.posts == 1
    assert (await api.submit()).status == 200


@pytest.mark.parametrize("after_accepting", [True, False])
async def test_silence_lasts_until_the_sandbox_closes_and_ends_at_once(*, after_accepting: bool) -> None:
    async with aiohttp.ClientSession() as session:
        async with Sandbox() as sandbox:
            sandbox.will_not_answer(after_accepting=after_accepting)
            call = asyncio.create_task(Api(sandbox, session).submit())
            await until(lambda: sandbox.posts == 1)
            assert len(sandbox.requests) <= after_accepting
            started = time.monotonic()
        assert time.monotonic() - started < AT_ONCE_SECONDS
        with pytest.raises(aiohttp.ClientConnectionError):
            await call
        assert len(sandbox.requests) == after_accepting


async def test_a_caller_that_gave_up_does_not_hold_the_sandbox_open() -> None:
    async with aiohttp.ClientSession() as session:
        async with Sandbox() as sandbox:
            sandbox.will_not_answer()
            call = asyncio.create_task(Api(sandbox, session).submit())
            await until(lambda: len(sandbox.requests) == 1)
            call.cancel()
            started = time.monotonic()
        assert time.monotonic() - started < AT_ONCE_SECONDS
        assert call.cancelled() or call.cancelling()


async def test_latency_ends_when_the_sandbox_closes() -> None:
    async with aiohttp.ClientSession() as session:
        async with Sandbox(scenario=Scenario(latency_seconds=3600)) as sandbox:
            call = asyncio.create_task(Api(sandbox, session).submit())
            await until(lambda: len(sandbox.requests) == 1)
            started = time.monotonic()
        assert time.monotonic() - started < AT_ONCE_SECONDS
        assert (await call).status == 200


async def test_every_answer_takes_the_latency_of_the_scenario(
    open_sandbox: OpenSandbox, clock: MovedClock
) -> None:
    api = await open_sandbox(latency_seconds=0.25)
    api.sandbox.will_answer(503)

    await api.submit()
    await api.submit()
    await api.list()
    await api.token()

    assert clock.slept == [0.25] * 4


async def test_reads_and_posts_have_scripts_of_their_own(api: Api) -> None:
    posted = await api.submit()
    api.sandbox.will_answer_reads(503, retry_after=7)
    api.sandbox.will_answer_reads(500)

    assert (await api.submit()).status == 200
    first, second = await api.list(), await api.read(posted.data["requestId"])

    assert (first.status, first.headers["Retry-After"]) == (503, "7")
    assert second.document == example("error.5xx")
    assert (await api.list()).status == 200


async def test_decisions_can_meet_faults_too(api: Api) -> None:
    posted = await api.submit()
    api.sandbox.will(AnswerInstead(status=504, after_accepting=True), method="PUT")

    reply = await api.decide(posted.data["requestId"])

    assert reply.status == 504
    assert api.sandbox.requests[0].state == "approved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """A kind of fault that the sandbox does not know."""

    after_accepting: bool = False

    async def play(self, exchange: Exchange) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": str(exchange.request.url)})


async def test_a_new_kind_of_fault_is_a_new_class(api: Api) -> None:
    api.sandbox.will(Redirect())

    reply = await api.submit()

    assert reply.status == 307
    assert reply.headers["Location"].endswith("/ISSUE-BADGE")


async def test_a_fault_waits_while_the_rate_limit_refuses(
    open_sandbox: OpenSandbox, clock: MovedClock
) -> None:
    api = await open_sandbox(rate_limit=1)
    await api.submit()
    api.sandbox.will_answer(503)

    limited = await api.submit()
    clock.advance(60)
    faulty = await api.submit()

    assert (limited.status, faulty.status) == (429, 503)


async def test_the_sandbox_listens_on_loopback_only(api: Api) -> None:
    assert api.sandbox.url.startswith("http://127.0.0.1:")


async def test_a_port_that_is_taken_is_an_error_of_the_opening(api: Api) -> None:
    port = int(api.sandbox.url.rpartition(":")[2])

    with pytest.raises(OSError, match="in use"):
        await Sandbox(port=port).__aenter__()
