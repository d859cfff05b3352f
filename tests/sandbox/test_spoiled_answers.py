"""Each fault alone, as a plain HTTP caller meets it, and what the truth knows behind it."""

import asyncio
import errno
import gzip
import json
import time

import aiohttp
import pytest

from batch_issuer.sandbox import Sandbox
from batch_issuer.sandbox.faults import (
    AnotherRequestNamed,
    DroppedConnection,
    EdgePage,
    EmptyAnswer,
    Fault,
    GzippedAnswer,
    HugeAnswer,
    Silence,
    SlowDrip,
    TruncatedAnswer,
    WrongContentType,
)

from .api import JSON, Api
from .conftest import MovedClock, OpenSandbox
from .published import submission
from .test_faults import AT_ONCE_SECONDS, until

BOTH = pytest.mark.parametrize("after_accepting", [True, False])


@BOTH
async def test_a_reset_is_not_a_close(unread: Api, *, after_accepting: bool) -> None:
    unread.sandbox.will(DroppedConnection(after_accepting=after_accepting, reset=True))
    unread.sandbox.will(DroppedConnection(after_accepting=after_accepting))

    with pytest.raises(aiohttp.ClientOSError) as reset:
        await unread.submit()
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await unread.submit()

    assert reset.value.errno == errno.ECONNRESET
    assert len(unread.sandbox.requests) == 2 * after_accepting


@BOTH
async def test_a_close_is_no_reset_even_under_a_large_body(unread: Api, *, after_accepting: bool) -> None:
    unread.sandbox.will(DroppedConnection(after_accepting=after_accepting))

    with pytest.raises(aiohttp.ServerDisconnectedError):
        await unread.submit(*range(1, 100_000))


async def test_silence_can_end_by_itself(api: Api, clock: MovedClock) -> None:
    api.sandbox.will(Silence(seconds=30))

    with pytest.raises(aiohttp.ClientConnectionError):
        await api.submit()

    assert clock.slept == [30]
    assert len(api.sandbox.requests) == 1


async def test_a_truncated_answer_promises_more_than_it_holds(unread: Api) -> None:
    unread.sandbox.will(TruncatedAnswer())
    url = f"{unread.sandbox.url}{unread.sandbox.scenario.base_path}/ISSUE-BADGE"

    async with unread.session.post(url, headers=unread.maker(), json=submission()) as response:
        read = await response.content.readexactly(16)
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.content.read()

    assert response.status == 200
    assert int(response.headers["Content-Length"]) == len((await unread.submit()).body)
    assert read.startswith(b'{"data":')
    assert len(unread.sandbox.requests) == 2


async def test_the_right_json_can_come_under_another_content_type(api: Api) -> None:
    api.sandbox.will(WrongContentType())

    reply = await api.submit()

    assert reply.headers["Content-Type"].startswith("text/plain")
    assert reply.data["requestId"] == api.sandbox.requests[0].workflow_request_id


async def test_an_answer_drips_whole_with_pauses_that_add_up(api: Api, clock: MovedClock) -> None:
    api.sandbox.will(SlowDrip(seconds=40))

    reply = await api.submit()

    assert reply.data["requestId"] == api.sandbox.requests[0].workflow_request_id
    assert len(clock.slept) > 10
    assert sum(clock.slept) == pytest.approx(40, rel=0.1)


@pytest.mark.parametrize("fault", [SlowDrip(seconds=3600), Silence(seconds=3600)])
async def test_what_is_slow_ends_at_once_when_the_sandbox_closes(fault: Fault) -> None:
    async with aiohttp.ClientSession() as session:
        async with Sandbox() as sandbox:
            sandbox.will(fault)
            call = asyncio.create_task(Api(sandbox, session).submit())
            await until(lambda: len(sandbox.requests) == 1)
            started = time.monotonic()
        assert time.monotonic() - started < AT_ONCE_SECONDS
        with pytest.raises((aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)):
            await call


async def test_an_answer_can_be_packed(unread: Api) -> None:
    unread.sandbox.will(GzippedAnswer())

    reply = await unread.submit()

    assert reply.headers["Content-Encoding"] == "gzip"
    document = json.loads(gzip.decompress(reply.body))
    assert document["data"]["requestId"] == unread.sandbox.requests[0].workflow_request_id


async def test_a_packed_answer_can_be_corrupt(api: Api) -> None:
    api.sandbox.will(GzippedAnswer(corrupt=True))

    with pytest.raises(aiohttp.ClientPayloadError):
        await api.submit()

    assert len(api.sandbox.requests) == 1


async def test_a_huge_answer_is_as_long_as_it_says_and_still_json(api: Api) -> None:
    api.sandbox.will(HugeAnswer(size_bytes=5_000_000))

    reply = await api.submit()

    assert len(reply.body) == 5_000_000
    assert reply.data["requestId"] == api.sandbox.requests[0].workflow_request_id


async def test_nobody_has_to_read_a_huge_answer_to_its_end() -> None:
    async with aiohttp.ClientSession() as session:
        async with Sandbox() as sandbox:
            sandbox.will(HugeAnswer())
            api = Api(sandbox, session)
            url = f"{sandbox.url}{sandbox.scenario.base_path}/ISSUE-BADGE"
            response = await session.post(url, headers=api.maker(), json=submission())
            assert len(await response.content.readany()) > 0
            started = time.monotonic()
        assert time.monotonic() - started < AT_ONCE_SECONDS
        response.close()


async def test_an_answer_can_name_another_request(open_sandbox: OpenSandbox) -> None:
    api = await open_sandbox(decide_after_seconds=0)
    first = await api.submit(1, request_id="first")
    api.sandbox.will(AnotherRequestNamed())
    api.sandbox.will(AnotherRequestNamed(workflow_request_id=first.data["requestId"], request_id="first"))

    invented, confused = await api.submit(2, request_id="second"), await api.submit(3, request_id="third")

    true_ids = [record.workflow_request_id for record in api.sandbox.requests]
    assert invented.data["requestId"] not in true_ids
    assert confused.data["requestId"] == true_ids[0]
    for reply, request_id in ((invented, None), (confused, "first")):
        named = reply.data["details"]["IntouchAPITask-Payload"]["body"]["requestId"]
        assert named not in {"second", "third"}
        assert named == reply.output["body"]["data"]["requestId"]
        assert request_id in {None, named}
    assert [record.request_id for record in api.sandbox.requests] == ["first", "second", "third"]


async def test_a_list_never_names_other_requests_than_there_are(api: Api) -> None:
    posted = await api.submit()
    api.sandbox.will(AnotherRequestNamed(), method="GET")
    api.sandbox.will(AnotherRequestNamed(), method="GET")

    listed, read = await api.list(), await api.read(posted.data["requestId"])

    assert [one["requestId"] for one in listed.data] == [posted.data["requestId"]]
    assert read.data["requestId"] != posted.data["requestId"]


@pytest.mark.parametrize(
    "fault",
    [TruncatedAnswer(), SlowDrip(seconds=1), GzippedAnswer(corrupt=True), DroppedConnection(reset=True)],
)
async def test_reads_and_decisions_meet_them_too(unread: Api, fault: Fault) -> None:
    posted = await unread.submit()
    honest = await unread.read(posted.data["requestId"])
    unread.sandbox.will(fault, method="GET")
    unread.sandbox.will(fault, method="PUT")

    for call in (unread.read, unread.decide):
        try:
            reply = await call(posted.data["requestId"])
        except (aiohttp.ClientOSError, aiohttp.ClientPayloadError):
            continue
        assert isinstance(fault, SlowDrip | GzippedAnswer)
        assert (reply.body[:1] == honest.body[:1]) == isinstance(fault, SlowDrip)
    assert unread.sandbox.requests[0].state == "approved"


async def test_faults_leave_the_connection_fit_for_the_next_call(api: Api) -> None:
    for fault in (EdgePage(), EmptyAnswer(), WrongContentType(), SlowDrip(seconds=1), GzippedAnswer()):
        api.sandbox.will(fault)
        await api.submit()

    assert (await api.submit()).headers["Content-Type"] == JSON
