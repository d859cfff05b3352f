"""Submitting a batch: durable first, never twice, and in order when the server fails."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.batch.stages import Stage
from batch_issuer.ledger import Answered
from batch_issuer.ledger.transitions import Transition
from batch_issuer.sandbox import Sandbox, Scenario
from tests.conftest import (
    BADGE,
    KNOWN,
    FakeClock,
    FakeClockSandbox,
    make_access,
    make_request,
    make_requests,
    oauth_login,
)
from tests.gateway.servers import http_server
from tests.submission.conftest import NEVER, Desk, accepted, posted, request_id_of


async def test_every_request_is_submitted_once(desk: Desk, sandbox: Sandbox) -> None:
    await desk.plan(25)
    report = await desk.submit(make_access(sandbox.url))
    assert report.stop is None
    assert posted(sandbox) == {request.request_id: 1 for request in make_requests(25)}
    assert report.stages == ["submitted"] * 25
    assert report.at_rest == [Stage.SUBMITTED] * 25
    assert {record.state for record in report.records} == {"AdminTask"}
    by_request = {record.request_id: record.workflow_request_id for record in sandbox.requests}
    assert {r.request_id: r.workflow_request_id for r in report.records} == by_request


async def test_customers_arrive_as_planned(desk: Desk, sandbox: Sandbox) -> None:
    await desk.plan([make_request(2**63 - 1, 1, 5)])
    await desk.submit(make_access(sandbox.url))
    assert sandbox.requests[0].customers == (2**63 - 1, 1, 5)
    assert sandbox.requests[0].badge_meta_id == BADGE


async def test_nothing_to_send_asks_nothing(desk: Desk) -> None:
    report = await desk.submit(make_access(NEVER))
    assert (report.stop, report.records) == (None, [])


async def test_an_auto_approved_request_is_final_with_its_replies(desk: Desk, time: FakeClock) -> None:
    async with FakeClockSandbox(time, Scenario(decide_after_seconds=0)) as sandbox:
        await desk.plan(1)
        report = await desk.submit(make_access(sandbox.url))
    assert (report.records[0].state, report.records[0].is_final) == ("approved", True)


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_no_more_requests_are_under_way_than_allowed(desk: Desk, concurrency: int) -> None:
    under_way = most = 0
    full = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == concurrency:
            full.set()
        await full.wait()
        await asyncio.sleep(0)
        request_id = await request_id_of(request)
        under_way -= 1
        return accepted(request_id)

    await desk.plan(12)
    async with http_server(answer) as url:
        report = await desk.submit(make_access(url), concurrency=concurrency)
    assert (most, report.stages) == (concurrency, ["submitted"] * 12)


async def test_a_slow_ledger_keeps_no_slot_from_the_next_request(desk: Desk) -> None:
    """While an answer is written down, another request is with the server."""
    under_way: list[int] = []
    held = asyncio.Event()
    record = desk.journal.record

    async def record_slowly(*steps: Transition) -> None:
        if any(isinstance(step, Answered) for step in steps):
            await held.wait()
        await record(*steps)

    async def answer(request: web.Request) -> web.Response:
        under_way.append(1)
        if len(under_way) == 5:  # one more than there are slots: four answers wait for the ledger
            held.set()
        return accepted(await request_id_of(request))

    await desk.plan(12)
    desk.journal.record = record_slowly  # type: ignore[method-assign]  # a ledger that takes its time
    async with http_server(answer) as url:
        report = await asyncio.wait_for(desk.submit(make_access(url), concurrency=4), 20)
    assert report.stages == ["submitted"] * 12


async def test_sending_is_durable_before_the_server_sees_the_request(desk: Desk, ledger_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []

    async def answer(request: web.Request) -> web.Response:
        request_id = await request_id_of(request)
        other = sqlite3.connect(f"file:{ledger_path}?mode=ro", uri=True)
        query = "select stage, attempts, updated_at <> '' from requests where request_id = ?"
        seen.extend(other.execute(query, [request_id]).fetchall())
        other.close()
        return accepted(request_id)

    await desk.plan(10)
    async with http_server(answer) as url:
        await desk.submit(make_access(url))
    assert seen == [("sending", 1, 1)] * 10


@dataclass(slots=True, kw_only=True)
class FullHouse:
    """A server whose four slots are taken for half a minute, while a fifth request is noted already."""

    ledger: Path
    time: FakeClock
    sent_at: list[datetime] = field(default_factory=list)
    """When each request was sent, by the ledger."""
    next_turns: list[datetime] = field(default_factory=list)
    """The next free turn, when each request came."""
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    def look(self, query: str, *values: str) -> Any:
        other = sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True)
        ((found,),) = other.execute(query, values)
        other.close()
        return found

    async def answer(self, request: web.Request) -> web.Response:
        request_id = await request_id_of(request)
        at = self.look("select updated_at from requests where request_id = ?", request_id)
        self.sent_at.append(datetime.fromisoformat(at))
        turn = self.look("select max(next_at) from (select next_at from pace union select 0 as next_at)")
        self.next_turns.append(datetime.fromtimestamp(turn / 1_000_000, UTC))
        if len(self.sent_at) == 4:
            # the ledger's own file tells, and it can't wake anybody
            while self.look("select count(*) from requests where stage = 'sending'") < 5:  # noqa: ASYNC110
                await asyncio.sleep(0)
            self.time.advance(30)
            self.may_answer.set()
        await self.may_answer.wait()
        return accepted(request_id)


async def test_a_request_that_had_to_wait_for_its_slot_is_sent_under_a_fresh_time(
    desk: Desk, ledger_path: Path, time: FakeClock
) -> None:
    """A look-up counts the time-out and the server's delay from the time that the ledger has."""
    house, begun = FullHouse(ledger=ledger_path, time=time), time.at
    await desk.plan(5)
    async with http_server(house.answer) as url:
        report = await desk.submit(make_access(url), concurrency=4)
    assert report.stages == ["submitted"] * 5
    assert house.sent_at == [begun] * 4 + [begun + timedelta(seconds=30)]
    assert await desk.attempts() == [(chunk, 1, "submitted", 200) for chunk in range(1, 6)]


async def test_a_request_that_had_to_wait_for_its_slot_takes_another_turn_in_the_pace(
    desk: Desk, ledger_path: Path, time: FakeClock
) -> None:
    house = FullHouse(ledger=ledger_path, time=time)
    await desk.plan(5)
    async with http_server(house.answer) as url:
        await desk.submit(make_access(url), concurrency=4, rate=600)
    assert house.next_turns[-1] > time.at


async def test_a_429_is_waited_for_and_then_sent_again(desk: Desk, sandbox: Sandbox, time: FakeClock) -> None:
    sandbox.will_answer(429, retry_after=7)
    await desk.plan(1)
    report = await desk.submit(make_access(sandbox.url))
    assert (report.stages, posted(sandbox).total(), sandbox.posts) == (["submitted"], 1, 2)
    assert 7.0 in time.slept
    assert await desk.attempts() == [(1, 1, "not_sent", 429), (1, 2, "submitted", 200)]


async def test_a_servers_rate_limit_costs_time_and_no_row(desk: Desk, time: FakeClock) -> None:
    async with FakeClockSandbox(time, Scenario(rate_limit=5)) as sandbox:
        await desk.plan(12)
        report = await desk.submit(make_access(sandbox.url), max_attempts=20)
    assert (report.stages, posted(sandbox).most_common(1)[0][1]) == (["submitted"] * 12, 1)


async def test_429s_without_end_leave_the_requests_unsent_and_do_not_stop_the_batch(
    desk: Desk, sandbox: Sandbox
) -> None:
    for _ in range(6):
        sandbox.will_answer(429)
    await desk.plan(3)
    report = await desk.submit(make_access(sandbox.url), concurrency=1, max_attempts=3)
    assert (report.stop, report.stages) == (None, ["not_sent", "not_sent", "submitted"])
    assert report.records[0].attempts == 3


async def test_a_servers_delay_is_heeded_even_after_the_last_attempt(
    desk: Desk, sandbox: Sandbox, time: FakeClock
) -> None:
    sandbox.will_answer(429, retry_after=40)
    await desk.plan(2)
    report = await desk.submit(make_access(sandbox.url), concurrency=1, max_attempts=1)
    assert report.stages == ["not_sent", "submitted"]
    assert time.slept == [40]


async def test_an_unreachable_server_stops_the_batch_and_every_row_stays_unsent(desk: Desk) -> None:
    await desk.plan(40)
    report = await desk.submit(make_access(NEVER))
    assert report.stop is not None
    assert report.stop.message.startswith("the server failed 10 times in a row: no connection")
    assert set(report.stages) == {"not_sent"}
    assert 10 <= len(await desk.attempts()) <= 18
    assert desk.stopping.is_set()


async def test_a_batch_goes_on_where_it_was_stopped_and_sends_nothing_twice(
    desk: Desk, sandbox: Sandbox
) -> None:
    await desk.plan(20)
    await desk.submit(make_access(NEVER))
    desk.stopping = asyncio.Event()
    report = await desk.submit(make_access(sandbox.url))
    assert (report.stop, report.stages) == (None, ["submitted"] * 20)
    assert posted(sandbox) == {request.request_id: 1 for request in make_requests(20)}


async def test_a_wrong_password_stops_at_once_for_lack_of_permission(desk: Desk, time: FakeClock) -> None:
    async with FakeClockSandbox(time, Scenario(auth="oauth")) as sandbox:
        await desk.plan(20)
        report = await desk.submit(make_access(sandbox.url), concurrency=2)
    assert report.stop is not None
    assert report.stop.exit_code is ExitCode.NO_PERMISSION
    assert KNOWN.maker_password not in report.stop.message
    assert report.stages == ["not_sent"] * 20
    assert sandbox.posts <= 2


async def test_a_403_stops_the_batch_and_its_request_stays_unsent(desk: Desk, sandbox: Sandbox) -> None:
    await desk.plan(5)
    sandbox.will_answer(403)
    report = await desk.submit(make_access(sandbox.url), concurrency=1)
    assert report.stop is not None
    assert report.stop.exit_code is ExitCode.NO_PERMISSION
    assert (report.stages, sandbox.posts) == (["not_sent"] * 5, 1)


@pytest.fixture
async def oauth_sandbox(time: FakeClock) -> AsyncIterator[Sandbox]:
    async with FakeClockSandbox(time, Scenario(auth="oauth")) as opened:
        yield opened


async def test_a_token_that_expires_in_mid_run_is_renewed_in_time(
    desk: Desk, oauth_sandbox: Sandbox, time: FakeClock
) -> None:
    await desk.plan(30)  # at this rate 30 requests take 494 s, and a token lives for 300 s
    report = await desk.submit(make_access(oauth_sandbox.url, login=oauth_login()), rate=3.5, concurrency=1)
    assert (report.stages, oauth_sandbox.posts) == (["submitted"] * 30, 30)
    assert oauth_sandbox.calls["POST token"] == 2
    assert time.slept


async def test_a_token_that_is_taken_back_is_renewed_once_for_all(desk: Desk) -> None:
    tokens = 0
    posts: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        nonlocal tokens
        if request.path.endswith("generate"):
            tokens += 1
            return web.json_response({"data": {"accessToken": f"token-{tokens}", "ttlSeconds": 300}})
        request_id = await request_id_of(request)
        if request.headers["X-CAP-API-OAUTH-TOKEN"] == "token-1" and len(posts) >= 3:
            return web.Response(status=401)
        posts.append(request_id)
        return accepted(request_id)

    await desk.plan(20)
    async with http_server(answer) as url:
        report = await desk.submit(make_access(url, login=oauth_login()), concurrency=4)
    assert (report.stop, report.stages, tokens) == (None, ["submitted"] * 20, 2)
    assert sorted(posts) == sorted(set(posts))


async def test_a_401_that_a_fresh_token_does_not_cure_stops_the_batch(
    desk: Desk, oauth_sandbox: Sandbox
) -> None:
    await desk.plan(5)
    for _ in range(2):
        oauth_sandbox.will_answer(401)
    report = await desk.submit(make_access(oauth_sandbox.url, login=oauth_login()), concurrency=1)
    assert report.stop is not None
    assert report.stop.exit_code is ExitCode.NO_PERMISSION
    assert (report.stages, oauth_sandbox.posts, oauth_sandbox.calls["POST token"]) == (["not_sent"] * 5, 2, 2)


@pytest.mark.parametrize("accepting", [True, False])
@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
async def test_a_failing_server_leaves_doubt_and_the_request_is_not_sent_again(
    desk: Desk, sandbox: Sandbox, status: int, *, accepting: bool
) -> None:
    sandbox.will_answer(status, retry_after=1, accept_first=accepting)
    await desk.plan(3)
    report = await desk.submit(make_access(sandbox.url), concurrency=1)
    assert (report.stages, sandbox.posts) == (["in_doubt", "submitted", "submitted"], 3)
    again = await desk.submit(make_access(sandbox.url))
    assert (again.stages, sandbox.posts) == (report.stages, 3)


@pytest.mark.parametrize("accepting", [True, False])
async def test_a_lost_answer_leaves_doubt_and_the_request_is_not_sent_again(
    desk: Desk, sandbox: Sandbox, *, accepting: bool
) -> None:
    sandbox.will_drop_the_connection(after_accepting=accepting)
    sandbox.will_not_answer(after_accepting=accepting)
    await desk.plan(3)
    report = await desk.submit(make_access(sandbox.url), concurrency=1, timeout_seconds=0.3)
    assert (report.stages, sandbox.posts) == (["in_doubt", "in_doubt", "submitted"], 3)
    assert (await desk.submit(make_access(sandbox.url))).stages == report.stages
    assert sandbox.posts == 3


async def test_a_refused_request_is_failed_and_the_batch_goes_on(desk: Desk, sandbox: Sandbox) -> None:
    sandbox.will_answer(400)
    await desk.plan(3)
    report = await desk.submit(make_access(sandbox.url), concurrency=1)
    assert (report.stop, report.stages) == (None, ["refused", "submitted", "submitted"])
    assert report.records[0].error.code == "400"
    assert [record.http_status for record in report.records] == [400, 200, 200]


async def test_ten_equal_refusals_stop_the_batch(desk: Desk, sandbox: Sandbox) -> None:
    for _ in range(10):
        sandbox.will_answer(400)
    await desk.plan(15)
    report = await desk.submit(make_access(sandbox.url), concurrency=1)
    assert report.stop is not None
    assert report.stop.exit_code is None
    assert report.stages == ["refused"] * 10 + ["not_sent"] * 5
