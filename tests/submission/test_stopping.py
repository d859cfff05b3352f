"""Stops, cancellation and a failing ledger: nothing said is lost, and nothing sent twice."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from aiohttp import web

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.sandbox import Sandbox
from tests.conftest import (
    KNOWN,
    FakeClock,
    make_access,
    make_request,
    records_of,
)
from tests.gateway.servers import http_server
from tests.submission.conftest import Desk, accepted, posted, request_id_of, spoil


@pytest.mark.parametrize("slots", [3, 8])
async def test_a_stop_lets_those_under_way_finish_and_starts_none(desk: Desk, slots: int) -> None:
    """Of eight slots, two requests more are about to be sent: those are not started either."""

    async def answer(request: web.Request) -> web.Response:
        seen.append(await request_id_of(request))
        if len(seen) == slots:
            await desk.ledger.read(lambda _: None)  # the next ones have come to their turn by now
            desk.stopping.set()
            everybody.set()
        await everybody.wait()
        return accepted(await request_id_of(request))

    seen: list[str] = []
    everybody = asyncio.Event()
    await desk.plan(20)
    async with http_server(answer) as url:
        report = await desk.submit(make_access(url), concurrency=slots)
    assert (report.stop, len(seen)) == (None, slots)
    assert Counter(report.stages) == {"submitted": slots, "not_sent": 20 - slots}


async def test_a_stop_ends_the_wait_for_another_attempt(
    desk: Desk, sandbox: Sandbox, time: FakeClock
) -> None:
    sandbox.will_answer(429, retry_after=3000)
    await desk.plan(2)

    async def sleep(seconds: float) -> None:
        time.slept.append(seconds)
        desk.stopping.set()
        await asyncio.Event().wait()

    time.clock = replace(time.clock, sleep=sleep)
    report = await desk.submit(make_access(sandbox.url), concurrency=1)
    assert (report.stages, sandbox.posts) == (["not_sent", "not_sent"], 1)


async def test_a_stop_before_the_start_sends_nothing(desk: Desk, sandbox: Sandbox) -> None:
    await desk.plan(3)
    desk.stopping.set()
    report = await desk.submit(make_access(sandbox.url))
    assert (report.stages, sandbox.posts) == (["not_sent"] * 3, 0)


async def test_a_ledger_that_refuses_sending_stops_in_order_and_nothing_goes_out(
    desk: Desk, sandbox: Sandbox
) -> None:
    await desk.plan(5)
    await spoil(
        desk.ledger,
        "create trigger t before update on requests when new.stage = 'sending'"
        " begin select raise(fail, 'disk full'); end",
    )
    report = await desk.submit(make_access(sandbox.url))
    assert report.stop is not None
    assert report.stop.exit_code is ExitCode.NOT_FINISHED
    assert "disk full" in report.stop.message
    assert (report.stages, sandbox.posts) == (["not_sent"] * 5, 0)


async def test_a_ledger_that_fails_for_a_moment_loses_no_answer(desk: Desk, time: FakeClock) -> None:
    async def answer(request: web.Request) -> web.Response:
        request_id = await request_id_of(request)
        if request_id == make_request(chunk=1).request_id:
            await spoil(
                desk.ledger,
                "create trigger t before insert on attempts begin select raise(fail, 'full'); end",
            )
        return accepted(request_id)

    async def make_room(seconds: float) -> None:
        await spoil(desk.ledger, "drop trigger if exists t")
        await FakeClock.sleep(time, seconds)

    time.clock = replace(time.clock, sleep=make_room)
    await desk.plan(3)
    async with http_server(answer) as url:
        report = await desk.submit(make_access(url), concurrency=1)
    assert (report.stop, report.stages) == (None, ["submitted"] * 3)


async def test_a_ledger_that_fails_for_good_stops_and_leaves_doubt(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    async def answer(request: web.Request) -> web.Response:
        request_id = await request_id_of(request)
        if not posts:
            await spoil(
                desk.ledger,
                "create trigger t before insert on attempts begin select raise(fail, 'full'); end",
            )
        posts.append(request_id)
        return accepted(request_id)

    posts: list[str] = []
    await desk.plan(5)
    async with http_server(answer) as url:
        report = await desk.submit(make_access(url), concurrency=1)
    assert report.stop is not None
    assert report.stop.exit_code is ExitCode.NOT_FINISHED
    assert (report.stages, len(posts)) == (["sending"] + ["not_sent"] * 4, 1)
    told = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [vars(record)["workflow_request"] for record in told] == [f"w-{posts[0]}"]


async def test_a_ledger_that_can_not_be_read_in_mid_run_lets_those_under_way_finish(desk: Desk) -> None:
    async def answer(request: web.Request) -> web.Response:
        request_id = await request_id_of(request)
        if request_id == make_request(chunk=1).request_id:
            await spoil(desk.ledger, "alter table request_rows rename to elsewhere")
        return accepted(request_id)

    await desk.plan(30)
    async with http_server(answer) as url:
        report = await desk.submit(make_access(url), concurrency=2)
    assert report.stop is not None
    assert report.stop.exit_code is ExitCode.NOT_FINISHED
    assert Counter(report.stages) == {"submitted": 10, "not_sent": 20}


async def test_of_two_submitters_of_one_batch_one_works_and_the_other_is_told(
    desk: Desk, sandbox: Sandbox
) -> None:
    await desk.plan(20)
    other = Desk(ledger=desk.ledger, journal=desk.journal, gateway=desk.gateway, time=desk.time)
    access = make_access(sandbox.url)
    ended = await asyncio.gather(desk.submit(access), other.submit(access), return_exceptions=True)
    assert sorted(type(end).__name__ for end in ended) == ["BatchInUse", "Report"]
    assert posted(sandbox).most_common(1)[0][1] == 1
    assert "sending" not in {record.stage.value for record in await records_of(desk.ledger)}


async def test_a_second_stop_leaves_what_is_under_way_in_doubt_and_no_more(desk: Desk) -> None:
    async def answer(request: web.Request) -> web.Response:
        seen.append(await request_id_of(request))
        if len(seen) == 2:
            both.set()
        await asyncio.Event().wait()
        return web.Response()

    seen: list[str] = []
    both = asyncio.Event()
    await desk.plan(5)
    async with http_server(answer) as url:
        submitting = asyncio.create_task(desk.submit(make_access(url), concurrency=2))
        await both.wait()
        submitting.cancel()
        await asyncio.gather(submitting, return_exceptions=True)
    stages = [record.stage.value for record in await records_of(desk.ledger)]
    assert stages == ["sending", "sending", "not_sent", "not_sent", "not_sent"]


async def test_no_log_line_names_a_customer_or_a_secret(
    desk: Desk, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "batch_issuer")
    sandbox.will_answer(429)
    sandbox.will_answer(500)
    sandbox.will_answer(400)
    await desk.plan(4)
    await desk.submit(make_access(sandbox.url), concurrency=1)
    lines = [str(vars(record)) for record in caplog.records if record.name.startswith("batch_issuer")]
    assert len(lines) >= 4
    assert not [line for line in lines if "70000000" in line or KNOWN.maker_password in line]
