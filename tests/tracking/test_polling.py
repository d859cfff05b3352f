"""Reading the server's list: few calls, each page once, and lost requests found again."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from batch_issuer.batch.outcomes import Outcome
from batch_issuer.batch.stages import Stage
from batch_issuer.gateway import AnswerKind
from batch_issuer.sandbox import Sandbox, Scenario
from tests.conftest import FakeClock, FakeClockSandbox, make_access, make_inner, make_request, oauth_login
from tests.gateway.servers import http_server
from tests.tracking.conftest import Watch

OTHER_KIND = {"requestType": "earn-badge"}


def entry(chunk: int, state: str = "approved", *, name: str = "w") -> dict[str, Any]:
    body = {"requestId": make_request(chunk=chunk).request_id}
    return {
        "requestId": f"{name}-{chunk}",
        "state": state,
        "details": {"IntouchAPITask-Payload": {"body": body, "headers": {"Authorization": "Basic c2VjcmV0"}}},
    }


class Pages:
    """A server whose list holds these pages and nothing after them."""

    def __init__(self, *pages: list[dict[str, Any]], first: int = 0, for_ever: bool = False) -> None:
        self.queries: list[Mapping[str, str]] = []
        self._pages = pages
        self._first = first
        self._for_ever = for_ever

    @property
    def asked(self) -> list[str]:
        return [query["PageNo"] for query in self.queries]

    async def answer(self, request: web.Request) -> web.Response:
        assert request.path == "/v2/api_gateway/v2/request-workflow/requests"
        self.queries.append(dict(request.query))
        number = max(int(request.query["PageNo"]) - self._first, 0)
        if self._for_ever:
            number = 0
        data = self._pages[number] if number < len(self._pages) else []
        return web.json_response({"data": data, "pagination": None})


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[str]:
    async with http_server(answer) as url:
        yield url


async def test_what_the_server_decided_is_taken_over(watch: Watch, sandbox: Sandbox) -> None:
    made = await watch.submit(sandbox, 3)
    sandbox.decide(sandbox.requests[0].workflow_request_id, "approved")
    sandbox.decide(sandbox.requests[1].workflow_request_id, "rejected")
    reading = await watch.read_from(make_access(sandbox.url))
    assert (reading.asked, reading.found, reading.settled, reading.failure) == (3, 3, 2, None)
    assert reading.is_complete is False
    assert [(r.request_id, r.state) for r in await watch.records()] == list(
        zip((request.request_id for request in made), ("approved", "rejected", "AdminTask"), strict=True)
    )


async def test_many_requests_are_read_with_few_calls(watch: Watch, sandbox: Sandbox) -> None:
    await watch.submit(sandbox, 250)
    sandbox.decide_all("approved")
    reading = await watch.read_from(make_access(sandbox.url))
    assert (reading.is_complete, sandbox.calls["GET requests"]) == (True, 3)
    assert {record.outcome for record in await watch.records()} == {None}


async def test_reading_stops_as_soon_as_all_are_found(watch: Watch) -> None:
    await watch.hold(2)
    pages = Pages([entry(2)], [entry(1)], [entry(9)])
    async with serving(pages.answer) as url:
        reading = await watch.read_from(make_access(url))
    assert (reading.is_complete, pages.asked) == (True, ["0", "1"])


async def test_an_empty_page_ends_the_list(watch: Watch) -> None:
    await watch.hold(2)
    pages = Pages([entry(1)], [], [entry(2)])
    async with serving(pages.answer) as url:
        reading = await watch.read_from(make_access(url))
    assert (reading.found, reading.failure, pages.asked) == (1, None, ["0", "1"])


async def test_entries_that_shift_or_repeat_are_taken_once(watch: Watch) -> None:
    await watch.hold(4)
    pages = Pages([entry(1), entry(2)], [entry(2), entry(3)], [entry(3), entry(1), entry(4)])
    async with serving(pages.answer) as url:
        reading = await watch.read_from(make_access(url))
    assert (reading.found, reading.settled, pages.asked) == (4, 4, ["0", "1", "2"])


async def test_pages_that_count_from_one_are_read_to_their_end(watch: Watch) -> None:
    await watch.hold(3)
    pages = Pages([entry(1)], [entry(2)], [entry(3)], first=1)
    async with serving(pages.answer) as url:
        reading = await watch.read_from(make_access(url))
    assert (reading.is_complete, pages.asked) == (True, ["0", "1", "2", "3"])


async def test_a_list_that_knows_no_pages_is_not_read_for_ever(watch: Watch) -> None:
    await watch.hold(2)
    pages = Pages([entry(1)], for_ever=True)
    async with serving(pages.answer) as url:
        reading = await watch.read_from(make_access(url))
    assert (reading.found, pages.asked) == (1, ["0", "1", "2"])


async def test_pages_of_other_requests_are_passed_over(watch: Watch) -> None:
    await watch.hold(1)
    pages = Pages([OTHER_KIND], [OTHER_KIND], [OTHER_KIND], [entry(8)], [entry(1)])
    async with serving(pages.answer) as url:
        reading = await watch.read_from(make_access(url))
    assert (reading.is_complete, len(pages.asked)) == (True, 5)


async def test_another_makers_request_is_not_ours(watch: Watch) -> None:
    await watch.hold(1)
    pages = Pages([{**entry(7), "requestId": "w-8"}])
    async with serving(pages.answer) as url:
        reading = await watch.read_from(make_access(url))
    assert (reading.found, await watch.states()) == (0, ["AdminTask"])


@pytest.mark.parametrize("stage", [Stage.IN_DOUBT, Stage.SENDING])
async def test_a_lost_request_is_known_by_our_id_and_taken_over(watch: Watch, stage: Stage) -> None:
    await watch.hold(2, stage=stage)
    pages = Pages([entry(2, "AdminTask", name="found")])
    async with serving(pages.answer) as url:
        reading = await watch.read_from(make_access(url))
    lost, found = await watch.records()
    assert (reading.asked, reading.found) == (2, 1)
    assert (found.stage, found.workflow_request_id, found.state) == (Stage.SUBMITTED, "found-2", "AdminTask")
    assert (lost.stage, lost.workflow_request_id) == (stage, None)


async def test_a_lost_request_that_the_server_accepted_ends_like_the_others(
    watch: Watch, time: FakeClock
) -> None:
    (request,) = await watch.hold(1, stage=Stage.IN_DOUBT)
    async with FakeClockSandbox(time, Scenario(decide_after_seconds=0)) as sandbox:
        sandbox.will_drop_the_connection()
        view = await watch.view(make_access(sandbox.url))
        assert (await view.client.submit(request, make_inner())).kind is AnswerKind.IN_DOUBT
        reading = await watch.read(view)
    assert reading.is_complete
    (record,) = await watch.records()
    assert (record.state, record.is_final) == ("approved", True)


@pytest.mark.parametrize("state", ["Waiting 4 you", "Success", "APPROVED", "adminTask"])
async def test_an_unknown_state_is_kept_as_it_is_and_stays_open(watch: Watch, state: str) -> None:
    await watch.hold(1)
    async with serving(Pages([entry(1, state)]).answer) as url:
        reading = await watch.read_from(make_access(url))
    (record,) = await watch.records()
    assert (record.state, record.outcome, record.is_final) == (state, Outcome.PENDING, False)
    assert (reading.found, reading.settled) == (1, 0)


async def test_the_list_is_asked_for_a_day_more_on_both_sides_oldest_first(
    watch: Watch, time: FakeClock
) -> None:
    await watch.hold(1)
    time.advance(2 * 86400)
    pages = Pages([entry(1)])
    async with serving(pages.answer) as url:
        await watch.read_from(make_access(url))
    assert pages.queries == [
        {
            "requestType": "ISSUE-BADGE",
            "startDate": "2026-03-01",
            "endDate": "2026-03-05",
            "limit": "100",
            "PageNo": "0",
            "sortBy": "startDate",
            "sortOrder": "asc",
        }
    ]


async def test_a_list_that_is_busy_is_asked_again_when_it_says(
    watch: Watch, sandbox: Sandbox, time: FakeClock
) -> None:
    await watch.submit(sandbox, 1)
    sandbox.will_answer_reads(429, retry_after=9)
    before = time.seconds()
    reading = await watch.read_from(make_access(sandbox.url))
    assert (reading.found, sandbox.calls["GET requests"]) == (1, 2)
    assert time.seconds() - before >= 9


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 302])
async def test_a_list_that_fails_is_asked_again(watch: Watch, sandbox: Sandbox, status: int) -> None:
    await watch.submit(sandbox, 1)
    for _ in range(3):
        sandbox.will_answer_reads(status)
    reading = await watch.read_from(make_access(sandbox.url))
    assert (reading.found, reading.failure, sandbox.calls["GET requests"]) == (1, None, 4)


async def test_a_list_that_fails_again_and_again_is_given_up(watch: Watch, sandbox: Sandbox) -> None:
    await watch.submit(sandbox, 1)
    for _ in range(4):
        sandbox.will_answer_reads(503)
    reading = await watch.read_from(make_access(sandbox.url))
    assert reading.failure is not None
    assert (reading.failure.kind, reading.failure.http_status) == (AnswerKind.IN_DOUBT, 503)
    assert (reading.is_complete, sandbox.calls["GET requests"]) == (False, 4)


async def test_an_unreachable_list_is_given_up_with_a_reason(watch: Watch) -> None:
    await watch.hold(1)
    reading = await watch.read_from(make_access("http://127.0.0.1:1"))
    assert reading.failure is not None
    assert reading.failure.kind is AnswerKind.NOT_REACHED
    assert "no connection" in reading.failure.error.message


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, AnswerKind.REFUSED), (403, AnswerKind.FORBIDDEN), (401, AnswerKind.UNAUTHORIZED)],
)
async def test_a_refusal_is_not_asked_again(
    watch: Watch, sandbox: Sandbox, status: int, kind: AnswerKind
) -> None:
    await watch.submit(sandbox, 1)
    sandbox.will_answer_reads(status)
    reading = await watch.read_from(make_access(sandbox.url))
    assert reading.failure is not None
    assert (reading.failure.kind, sandbox.calls["GET requests"]) == (kind, 1)


async def test_a_missing_list_names_the_other_path(watch: Watch, sandbox: Sandbox) -> None:
    await watch.submit(sandbox, 1)
    sandbox.will_answer_reads(404)
    reading = await watch.read_from(make_access(sandbox.url))
    assert reading.failure is not None
    assert "REQUESTS_PATH=/api_gateway/v2/request-workflow" in reading.failure.error.message


async def test_what_was_read_before_a_failure_is_kept(watch: Watch) -> None:
    await watch.hold(2)
    pages = Pages([entry(1)])

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.query["PageNo"] == "1":
            return web.Response(status=403)
        return await pages.answer(request)

    async with serving(answer) as url:
        reading = await watch.read_from(make_access(url))
    assert (reading.found, reading.failure is not None) == (1, True)
    assert await watch.states() == ["approved", "AdminTask"]


async def test_a_token_that_expired_is_renewed_once_even_after_another_failure(
    watch: Watch, time: FakeClock
) -> None:
    async with FakeClockSandbox(time, Scenario(auth="both")) as sandbox:
        await watch.submit(sandbox, 1)
        sandbox.will_answer_reads(503)
        sandbox.will_answer_reads(401)
        reading = await watch.read_from(make_access(sandbox.url, login=oauth_login()))
    assert (reading.found, sandbox.calls["POST token"]) == (1, 2)


async def test_a_token_that_a_renewal_does_not_cure_is_given_up(watch: Watch, time: FakeClock) -> None:
    async with FakeClockSandbox(time, Scenario(auth="both")) as sandbox:
        await watch.submit(sandbox, 1)
        sandbox.will_answer_reads(401)
        sandbox.will_answer_reads(401)
        reading = await watch.read_from(make_access(sandbox.url, login=oauth_login()))
    assert reading.failure is not None
    assert (reading.failure.kind, sandbox.calls["GET requests"]) == (AnswerKind.UNAUTHORIZED, 2)


async def test_a_stop_reads_nothing_more(watch: Watch, sandbox: Sandbox) -> None:
    await watch.submit(sandbox, 1)
    watch.stopping.set()
    reading = await watch.read_from(make_access(sandbox.url))
    assert reading.failure is not None
    assert "stopped" in reading.failure.error.message
    assert sandbox.calls["GET requests"] == 0


async def test_list_calls_keep_the_pace(watch: Watch, time: FakeClock) -> None:
    await watch.hold(3)
    pages = Pages([entry(1)], [entry(2)], [entry(3)])
    async with serving(pages.answer) as url:
        await watch.read(await watch.view(make_access(url), rate=60))
    assert time.slept == pytest.approx([60 / 59.4] * 2, abs=0.01)


async def test_no_credential_of_another_maker_reaches_the_ledger(watch: Watch) -> None:
    await watch.hold(1)
    async with serving(Pages([entry(1, "AdminTask")]).answer) as url:
        await watch.read_from(make_access(url))
    dump = await watch.ledger.read(lambda c: str(c.exec_driver_sql("select * from requests").fetchall()))
    assert "c2VjcmV0" not in dump
