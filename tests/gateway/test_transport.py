"""What the connection itself proves: never opened, or broken after the request went out."""

import asyncio
import socket
import ssl
from datetime import date
from pathlib import Path

import pytest
from aiohttp import web

from batch_issuer.gateway import Answer, AnswerKind, Client
from batch_issuer.redaction import Redactor
from batch_issuer.sandbox import Sandbox
from batch_issuer.sandbox.faults import AnswerInstead
from tests.conftest import KNOWN, Gateway, make_access, make_inner, make_request
from tests.gateway.servers import http_server, raw_server

CERTIFICATE = Path(__file__).parent / "self_signed.pem"
"""For localhost, signed by itself, so nobody has a reason to trust it; its key protects nothing."""


async def submit(client: Client) -> Answer:
    return await client.submit(make_request(), make_inner())


async def read_list(client: Client) -> Answer:
    return await client.list_requests(first_day=date(2026, 3, 1), last_day=date(2026, 3, 3), page=0)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_a_request_that_arrives_is_answered_with_the_servers_words(
    gateway: Gateway, sandbox: Sandbox
) -> None:
    answer = await submit(await gateway.client(make_access(sandbox.url)))
    assert answer.kind is AnswerKind.OK
    assert answer.said is not None
    assert answer.said.workflow_request_id == sandbox.requests[0].workflow_request_id
    assert answer.said.request_id == make_request().request_id


@pytest.mark.parametrize(
    "host", ["http://127.0.0.1:{port}", "http://nowhere.invalid:{port}", "http://[::1]:{port}"]
)
async def test_a_connection_that_can_not_be_opened_created_nothing(gateway: Gateway, host: str) -> None:
    answer = await submit(await gateway.client(make_access(host.format(port=free_port()))))
    assert (answer.kind, answer.http_status) == (AnswerKind.NOT_REACHED, None)
    assert "no connection" in answer.error.message


async def test_a_connection_that_nobody_accepts_in_time_created_nothing(gateway: Gateway) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        crowd = [socket.socket() for _ in range(4)]
        for waiting in crowd:
            waiting.setblocking(False)
            waiting.connect_ex(address)
        client = await gateway.client(make_access(f"http://127.0.0.1:{address[1]}"), timeout_seconds=0.4)
        answer = await submit(client)
        for waiting in crowd:
            waiting.close()
    assert answer.kind is AnswerKind.NOT_REACHED


async def test_a_wrong_certificate_is_never_accepted(gateway: Gateway) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(CERTIFICATE)

    async def answer_ok(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with raw_server(answer_ok, tls=tls) as server:
        answer = await submit(await gateway.client(make_access(server.url)))
    assert answer.kind is AnswerKind.NOT_REACHED
    assert "Certificate" in answer.error.message
    assert server.heads == []


async def test_a_server_that_speaks_no_tls_created_nothing(gateway: Gateway, sandbox: Sandbox) -> None:
    answer = await submit(await gateway.client(make_access(sandbox.url.replace("http:", "https:"))))
    assert (answer.kind, sandbox.posts) == (AnswerKind.NOT_REACHED, 0)


@pytest.mark.parametrize("after_accepting", [True, False])
async def test_a_connection_that_breaks_before_the_answer_leaves_doubt(
    gateway: Gateway, sandbox: Sandbox, *, after_accepting: bool
) -> None:
    sandbox.will_drop_the_connection(after_accepting=after_accepting)
    answer = await submit(await gateway.client(make_access(sandbox.url)))
    assert (answer.kind, answer.http_status) == (AnswerKind.IN_DOUBT, None)
    assert sandbox.posts == 1


async def test_silence_leaves_doubt_once_time_is_up(gateway: Gateway, sandbox: Sandbox) -> None:
    sandbox.will_not_answer()
    answer = await submit(await gateway.client(make_access(sandbox.url), timeout_seconds=0.2))
    assert answer.kind is AnswerKind.IN_DOUBT
    assert "no answer within 0.2 s" in answer.error.message
    assert len(sandbox.requests) == 1


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 1000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"",
        b"HTTP/1.1 200",
        b"no http at all\r\n\r\n",
        HEAD + b"Content-Length: 100\r\n\r\n{",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{\r\n",
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
        HEAD + b"Content-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
)
async def test_an_answer_that_breaks_off_or_is_garbled_leaves_doubt(
    gateway: Gateway, bytes_sent: bytes
) -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes_sent)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with raw_server(talk) as server:
        answer = await submit(await gateway.client(make_access(server.url)))
    assert answer.kind is AnswerKind.IN_DOUBT
    assert answer.error.message


async def test_a_body_that_drips_beyond_the_time_out_leaves_doubt(gateway: Gateway) -> None:
    async with raw_server(drip) as server:
        answer = await submit(await gateway.client(make_access(server.url), timeout_seconds=0.2))
    assert answer.kind is AnswerKind.IN_DOUBT


async def test_a_broken_submission_is_not_sent_again_behind_our_back(gateway: Gateway) -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with raw_server(hang_up) as server:
        await submit(await gateway.client(make_access(server.url)))
    assert len(server.heads) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed_to_another_host_nor_to_the_same(
    gateway: Gateway, sandbox: Sandbox, status: int
) -> None:
    reached: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        reached.append(request.method)
        return web.json_response({})

    async with http_server(elsewhere) as other:
        for target in (other, sandbox.url + "/sandbox/truth"):
            sandbox.will(AnswerInstead(status=status, headers={"Location": target}))
            sandbox.will(AnswerInstead(status=status, headers={"Location": target}), method="GET")
        client = await gateway.client(make_access(sandbox.url))
        answers = [
            await submit(client),
            await submit(client),
            await read_list(client),
            await read_list(client),
        ]
    assert [answer.kind for answer in answers] == [AnswerKind.REFUSED] * 2 + [AnswerKind.IN_DOUBT] * 2
    assert (reached, sandbox.calls) == ([], {"POST ISSUE-BADGE": 2, "GET requests": 2})


async def test_connections_are_used_again(gateway: Gateway) -> None:
    ports: set[object] = set()

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername"))
        return web.json_response({})

    async with http_server(answer) as url:
        client = await gateway.client(make_access(url), connections=2)
        for _ in range(5):
            await submit(client)
        assert len(ports) == 1
        await asyncio.gather(*(submit(client) for _ in range(10)))
    assert len(ports) == 2


async def test_no_cookie_of_an_edge_is_sent_back(gateway: Gateway) -> None:
    cookies: list[str | None] = []

    async def answer(request: web.Request) -> web.Response:
        cookies.append(request.headers.get("Cookie"))
        return web.json_response({}, headers={"Set-Cookie": "edge=1; Path=/"})

    async with http_server(answer) as url:
        client = await gateway.client(make_access(url))
        await submit(client)
        await submit(client)
    assert cookies == [None, None]


async def test_a_nonsense_retry_after_does_no_harm(gateway: Gateway, sandbox: Sandbox) -> None:
    client = await gateway.client(make_access(sandbox.url))
    nonsense = "Mon, 01 Jan 99999999999999999999999 00:00:00 GMT"
    for value, seconds in ((7, 7.0), ("Mon, 02 Mar 2026 04:45:30 GMT", 30.0), (nonsense, None)):
        sandbox.will_answer(429, retry_after=value)
        answer = await submit(client)
        assert (answer.kind, answer.retry_after) == (AnswerKind.RATE_LIMITED, seconds)


async def test_a_missing_path_names_the_other_form_of_it(gateway: Gateway, sandbox: Sandbox) -> None:
    sandbox.will_answer(404)
    sandbox.will_answer_reads(404)
    client = await gateway.client(make_access(sandbox.url))
    other = "/api_gateway/v2/request-workflow"
    submitted, listed = await submit(client), await read_list(client)
    assert submitted.kind is listed.kind is AnswerKind.REFUSED
    assert submitted.error.message.endswith(f"try WORKFLOW_PATH={other}")
    assert listed.error.message.endswith(f"try REQUESTS_PATH={other}")


async def test_a_list_call_is_a_page_of_requests(gateway: Gateway, sandbox: Sandbox) -> None:
    client = await gateway.client(make_access(sandbox.url))
    await submit(client)
    answer = await read_list(client)
    assert answer.page is not None
    assert [said.request_id for said in answer.page.requests] == [make_request().request_id]


async def test_a_secret_that_the_server_repeats_stands_in_no_answer(gateway: Gateway) -> None:
    echoed = f"{KNOWN.maker_password} Basic bWFrZXI6cGFzc3dvcmQ= {KNOWN.maker_ui_token}"

    async def echo(request: web.Request) -> web.Response:
        text = f"{echoed} {request.headers['Authorization']}"
        error = {"code": KNOWN.maker_password, "message": text}
        details = {
            "IntouchAPITask-Payload": {"headers": {"Authorization": text}},
            "IntouchAPITask_Output": {"status": 400, "headers": {"k": text}, "body": {"errors": [error]}},
        }
        if request.query.get("PageNo"):
            return web.json_response({"data": [{"requestId": "w", "state": "failed", "details": details}]})
        return web.json_response({"errors": [error], "data": None}, status=400, reason=KNOWN.maker_password)

    redact = Redactor([KNOWN.maker_password, KNOWN.maker_ui_token])
    async with http_server(echo) as url:
        client = await gateway.client(make_access(url), redact=redact)
        shown = f"{await submit(client)!r} {await read_list(client)!r} {client!r}"
    assert "failed" in shown
    for secret in (KNOWN.maker_password, KNOWN.maker_ui_token, "bWFrZX"):
        assert secret not in shown
