"""Other answers than the honest one: errors, pages, redirects, refusals, and calls delivered twice."""

from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import pytest

from batch_issuer.sandbox.faults import (
    AnswerInstead,
    DeliveredTwice,
    EdgePage,
    EmptyAnswer,
    ExpiredToken,
    Redirected,
    TooManyRequests,
)

from .api import Api
from .conftest import MovedClock, OpenSandbox
from .published import submission

BOTH = pytest.mark.parametrize("after_accepting", [True, False])


@BOTH
@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_server_error_is_an_envelope_or_a_page(
    api: Api, status: int, *, after_accepting: bool
) -> None:
    api.sandbox.will(AnswerInstead(status=status, after_accepting=after_accepting))
    api.sandbox.will(EdgePage(status=status, after_accepting=after_accepting))

    envelope, page = await api.submit(), await api.submit()

    assert (envelope.status, page.status) == (status, status)
    assert envelope.document["errors"][0]["code"] == status
    assert page.headers["Content-Type"].startswith("text/html")
    assert "Set-Cookie" in page.headers
    assert page.body.startswith(b"<html>")
    assert len(api.sandbox.requests) == 2 * after_accepting
    posts = api.sandbox.truth()["posts"]
    assert (posts["accepted"], posts["refused"]) == ((2, 0) if after_accepting else (0, 2))


@BOTH
async def test_a_page_and_an_empty_answer_can_pretend_success(api: Api, *, after_accepting: bool) -> None:
    api.sandbox.will(EdgePage(status=200, after_accepting=after_accepting))
    api.sandbox.will(EmptyAnswer(after_accepting=after_accepting))

    page, empty = await api.submit(), await api.submit()

    assert (page.status, page.body[:6]) == (200, b"<html>")
    assert (empty.status, empty.body) == (200, b"")
    assert len(api.sandbox.requests) == 2 * after_accepting


async def test_too_many_requests_names_seconds_or_a_date(api: Api, clock: MovedClock) -> None:
    api.sandbox.will(TooManyRequests(wait_seconds=7))
    api.sandbox.will(TooManyRequests(wait_seconds=7, as_date=True))

    seconds, date = await api.submit(), await api.submit()

    assert (seconds.status, seconds.headers["Retry-After"]) == (429, "7")
    assert date.status == 429
    assert parsedate_to_datetime(date.headers["Retry-After"]).timestamp() == int(clock.now) + 7
    assert api.sandbox.truth()["posts"]["rate_limited"] == 2


async def test_a_token_can_expire_just_before_a_call(api: Api) -> None:
    token = (await api.token()).data["accessToken"]
    with_token = {**api.maker(), "X-CAP-API-OAUTH-TOKEN": token}
    api.sandbox.will(ExpiredToken())
    api.sandbox.will(ExpiredToken())

    by_token = await api.post(submission(), headers=with_token)
    by_basic = await api.submit()

    assert (by_token.status, by_basic.status) == (401, 200)
    assert api.sandbox.truth()["posts"] == {"received": 2, "accepted": 1, "refused": 1, "rate_limited": 0}


async def test_too_many_customers_are_too_large_always(open_sandbox: OpenSandbox) -> None:
    api = await open_sandbox(max_customers=2)

    statuses = [(await api.submit(*customers)).status for customers in ((1, 2, 3), (1, 2), (4, 5, 6))]

    assert statuses == [413, 200, 413]
    assert len(api.sandbox.requests) == 1


@pytest.mark.parametrize("status", [302, 307, 308])
async def test_a_redirect_leads_to_another_port_that_counts_who_comes(api: Api, status: int) -> None:
    api.sandbox.will(Redirected(status=status))

    reply = await api.submit()
    target = urlsplit(reply.headers["Location"])

    assert reply.status == status
    assert target.hostname == "127.0.0.1"
    assert target.port != urlsplit(api.sandbox.url).port
    assert target.path.endswith("/ISSUE-BADGE")
    assert api.sandbox.truth()["strays"] == {"calls": 0, "with_credentials": 0}
    for headers in ({}, api.maker()):
        async with api.session.post(reply.headers["Location"], headers=headers) as strayed:
            assert strayed.status == 404
    assert api.sandbox.truth()["strays"] == {"calls": 2, "with_credentials": 1}
    assert api.sandbox.requests == ()


async def test_a_redirect_can_name_any_place(api: Api) -> None:
    api.sandbox.will(Redirected(status=302, location="http://127.0.0.1:9/"))

    assert (await api.submit()).headers["Location"] == "http://127.0.0.1:9/"


@pytest.mark.parametrize("answers_second", [False, True])
async def test_a_post_can_be_delivered_twice(api: Api, *, answers_second: bool) -> None:
    api.sandbox.will(DeliveredTwice(answers_second=answers_second))

    reply = await api.submit(request_id="once")

    first, second = api.sandbox.requests
    assert (first.request_id, second.request_id) == ("once", "once")
    assert reply.data["requestId"] == (second if answers_second else first).workflow_request_id
    assert api.sandbox.truth()["created"] == {"once": 2}
    assert api.sandbox.truth()["posts"] == {"received": 1, "accepted": 2, "refused": 0, "rate_limited": 0}


async def test_a_decision_that_is_delivered_twice_looks_refused(api: Api) -> None:
    posted = await api.submit()
    api.sandbox.will(DeliveredTwice(answers_second=True), method="PUT")

    reply = await api.decide(posted.data["requestId"])

    assert reply.status == 409
    assert api.sandbox.requests[0].state == "approved"
