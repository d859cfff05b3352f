"""How a call proves who asks, and how a token is renewed: once for all, in time, and once after a 401."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from datetime import date
from typing import Any

import pytest
from aiohttp import web

from batch_issuer.gateway import Answer, AnswerKind, Client
from batch_issuer.gateway.access import OAuthClient
from batch_issuer.gateway.credentials import Token, read_token
from batch_issuer.redaction import Redactor
from batch_issuer.sandbox import Sandbox, Scenario
from tests.conftest import (
    KNOWN,
    FakeClock,
    FakeClockSandbox,
    Gateway,
    make_access,
    make_inner,
    make_request,
    oauth_login,
)
from tests.gateway.servers import http_server

NAMED = {"data": {"requestId": "w-1", "state": "AdminTask"}}


@pytest.fixture
async def oauth_sandbox(time: FakeClock) -> AsyncIterator[Sandbox]:
    async with FakeClockSandbox(time, Scenario(auth="oauth")) as opened:
        yield opened


async def submit(client: Client, chunk: int = 1) -> Answer:
    return await client.submit(make_request(chunk=chunk), make_inner())


async def test_the_headers_of_a_submission_are_those_of_the_contract(gateway: Gateway) -> None:
    seen: list[Mapping[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers.copy())
        return web.json_response(NAMED)

    async with http_server(answer) as url:
        client = await gateway.client(make_access(url))
        await submit(client)
        await client.list_requests(first_day=date(2026, 3, 1), last_day=date(2026, 3, 3), page=0)
    posted, listed = seen
    encoded = base64.b64encode(f"{KNOWN.maker_username}:{KNOWN.maker_password}".encode()).decode()
    assert posted["Authorization"] == listed["Authorization"] == f"Basic {encoded}"
    assert posted["X-CAP-API-AUTH-ORG-ID"] == KNOWN.org_id
    assert posted["X-CAP-UI-AUTH-TOKEN"] == KNOWN.maker_ui_token
    assert posted["Content-Type"] == "application/json"
    assert not {"X-CAP-API-AUTH-ORG-ID", "X-CAP-UI-AUTH-TOKEN", "Content-Type"} & set(listed)


async def test_headers_that_are_not_set_are_left_out(gateway: Gateway) -> None:
    seen: set[str] = set()

    async def answer(request: web.Request) -> web.Response:
        seen.update(name.upper() for name in request.headers)
        return web.json_response(NAMED)

    async with http_server(answer) as url:
        await submit(await gateway.client(make_access(url, org_id="", ui_auth_token="")))
    assert "AUTHORIZATION" in seen
    assert not {"X-CAP-API-AUTH-ORG-ID", "X-CAP-UI-AUTH-TOKEN"} & seen


async def test_a_wrong_basic_login_is_unauthorized_and_can_not_be_renewed(
    gateway: Gateway, oauth_sandbox: Sandbox
) -> None:
    client = await gateway.client(make_access(oauth_sandbox.url))
    assert (await submit(client)).kind is AnswerKind.UNAUTHORIZED
    assert client.can_renew is False


async def test_many_calls_at_once_share_one_token(gateway: Gateway, oauth_sandbox: Sandbox) -> None:
    client = await gateway.client(make_access(oauth_sandbox.url, login=oauth_login()))
    answers = await asyncio.gather(*(submit(client, chunk) for chunk in range(1, 21)))
    assert {answer.kind for answer in answers} == {AnswerKind.OK}
    assert oauth_sandbox.calls["POST token"] == 1


async def test_a_token_is_renewed_before_it_expires(
    gateway: Gateway, oauth_sandbox: Sandbox, time: FakeClock
) -> None:
    client = await gateway.client(make_access(oauth_sandbox.url, login=oauth_login()))
    kinds = []
    for seconds in (0, 260, 20, 269):  # it lives for 300 s
        time.advance(seconds)
        kinds.append((await submit(client)).kind)
    assert set(kinds) == {AnswerKind.OK}
    assert oauth_sandbox.calls["POST token"] == 2


async def test_a_401_is_told_and_the_next_call_renews_the_token(
    gateway: Gateway, oauth_sandbox: Sandbox
) -> None:
    client = await gateway.client(make_access(oauth_sandbox.url, login=oauth_login()))
    await submit(client)
    oauth_sandbox.forget_tokens()
    kinds = [(await submit(client)).kind for _ in range(3)]
    assert kinds == [AnswerKind.UNAUTHORIZED, AnswerKind.OK, AnswerKind.OK]
    assert oauth_sandbox.calls["POST token"] == 2


async def test_many_401s_at_once_renew_the_token_once(gateway: Gateway, oauth_sandbox: Sandbox) -> None:
    client = await gateway.client(make_access(oauth_sandbox.url, login=oauth_login()))
    await submit(client)
    oauth_sandbox.forget_tokens()
    await asyncio.gather(*(submit(client, chunk) for chunk in range(2, 10)))
    await asyncio.gather(*(submit(client, chunk) for chunk in range(2, 10)))
    assert oauth_sandbox.calls["POST token"] == 2


async def test_a_wrong_key_is_unauthorized_and_nothing_is_submitted(
    gateway: Gateway, oauth_sandbox: Sandbox
) -> None:
    wrong = OAuthClient(key=KNOWN.maker_key, secret="wrong")
    answer = await submit(await gateway.client(make_access(oauth_sandbox.url, login=wrong)))
    assert (answer.kind, answer.http_status, oauth_sandbox.posts) == (AnswerKind.UNAUTHORIZED, 401, 0)
    assert answer.error.message == "Authentication failed"


TOKEN_ANSWERS: list[tuple[int, Any, AnswerKind]] = [
    (400, {}, AnswerKind.UNAUTHORIZED),
    (403, {}, AnswerKind.FORBIDDEN),
    (429, {}, AnswerKind.RATE_LIMITED),
    (500, {}, AnswerKind.NOT_REACHED),
    (404, "<html>", AnswerKind.NOT_REACHED),
    (200, {}, AnswerKind.NOT_REACHED),
    (200, {"data": {"accessToken": "", "ttlSeconds": 300}}, AnswerKind.NOT_REACHED),
    (200, {"data": {"accessToken": "a\r\nX: y", "ttlSeconds": 300}}, AnswerKind.NOT_REACHED),
    (200, {"data": {"accessToken": "t\u00f6ken", "ttlSeconds": 300}}, AnswerKind.NOT_REACHED),
    (200, {"data": {"accessToken": "t", "ttlSeconds": "soon"}}, AnswerKind.NOT_REACHED),
    (302, {}, AnswerKind.NOT_REACHED),
]


@pytest.mark.parametrize(("status", "document", "kind"), TOKEN_ANSWERS)
async def test_without_a_token_nothing_is_submitted_and_nothing_is_in_doubt(
    gateway: Gateway, status: int, document: object, kind: AnswerKind
) -> None:
    paths: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.json_response(document, status=status, headers={"Retry-After": "7"})

    async with http_server(answer) as url:
        told = await submit(await gateway.client(make_access(url, login=oauth_login())))
    assert (told.kind, told.http_status, told.retry_after) == (kind, status, 7.0)
    assert told.error.message
    assert paths == ["/v3/oauth/token/generate"]


async def test_a_token_call_that_gets_no_answer_leaves_no_doubt_about_the_request(gateway: Gateway) -> None:
    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with http_server(hang_up) as url:
        told = await submit(await gateway.client(make_access(url, login=oauth_login())))
    assert told.kind is AnswerKind.NOT_REACHED


@pytest.mark.parametrize(
    ("seconds", "lifetime"),
    [(300, 300), (300.0, 300), (-1, 0), (0, 0), (1e300, 30 * 86400), (2**70, 30 * 86400)],
)
def test_a_lifetime_of_any_size_is_read(seconds: float, lifetime: int) -> None:
    token = read_token(200, {"data": {"accessToken": "t", "ttlSeconds": seconds}}, redact=str)
    assert isinstance(token, Token)
    assert token.lifetime.total_seconds() == lifetime


async def test_the_token_and_the_secret_are_starred_in_what_the_server_says(gateway: Gateway) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.path.endswith("generate"):
            return web.json_response({"data": {"accessToken": "plain-token-7", "ttlSeconds": 300}})
        text = f"token {request.headers['X-CAP-API-OAUTH-TOKEN']} of {KNOWN.maker_secret} is unknown"
        return web.json_response({"errors": [{"code": 400, "message": text}]}, status=400)

    async with http_server(answer) as url:
        access = make_access(url, login=oauth_login())
        told = await submit(await gateway.client(access, redact=Redactor([KNOWN.maker_secret])))
    assert told.error.message == "token ********** of ********** is unknown"


def test_no_repr_shows_a_token() -> None:
    token = read_token(200, {"data": {"accessToken": "plain-token-7", "ttlSeconds": 300}}, redact=str)
    assert "plain" not in f"{token!r} {oauth_login()!r} {make_access('http://x', login=oauth_login())!r}"
