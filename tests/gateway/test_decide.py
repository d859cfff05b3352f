"""A checker's decision: its wire form, what its answer proves, and that it goes out once."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from aiohttp import web

from batch_issuer.batch.ids import WorkflowRequestId
from batch_issuer.errors import SettingsError
from batch_issuer.gateway import Access, Answer, AnswerKind, Client, checker_access
from batch_issuer.gateway.access import BasicLogin, OAuthClient
from batch_issuer.gateway.wire import decision_body
from batch_issuer.redaction import Redactor
from batch_issuer.sandbox import Sandbox
from batch_issuer.settings import Settings, load_settings
from tests.conftest import KNOWN, Gateway, make_access, make_inner, make_request
from tests.gateway.servers import http_server, raw_server

EXAMPLES = Path(__file__).parents[1] / "contract" / "api" / "examples"
W1 = WorkflowRequestId("5f0c1c9e-0000-11f1-8000-000000000001")
MAKER = {"base_url": "https://api.example.com", "username": "maker", "password": "one"}
CHECKER = {"checker_username": "checker", "checker_password": "two"}
OAUTH = {"client_key": "key-1", "client_secret": "secret-1"}
CHECKER_OAUTH = {"checker_client_key": "key-2", "checker_client_secret": "secret-2"}


def settings(*parts: dict[str, str], **more: str) -> Settings:
    merged = {name: value for part in parts for name, value in part.items()}
    return load_settings(options={**merged, **more}, environ={})


def as_checker(url: str) -> Access:
    login = BasicLogin(username=KNOWN.checker_username, password=KNOWN.checker_password)
    return make_access(url, login=login, ui_auth_token=KNOWN.checker_ui_token)


async def decide(client: Client, name: str = W1, *, approve: bool = True) -> Answer:
    return await client.decide(WorkflowRequestId(name), approve=approve, message="after review")


async def waiting_request(gateway: Gateway, sandbox: Sandbox) -> str:
    client = await gateway.client(make_access(sandbox.url))
    await client.submit(make_request(), make_inner())
    return sandbox.requests[-1].workflow_request_id


@pytest.mark.parametrize(("approve", "example"), [(True, "approve"), (False, "reject")])
def test_a_decision_is_written_like_the_published_sample(*, approve: bool, example: str) -> None:
    sample = json.loads((EXAMPLES / f"{example}.request.json").read_text())
    message = sample["payload"]["AdminTask-Payload"]["actionMessage"]
    assert json.loads(decision_body(sample["requestId"], approve=approve, message=message)) == sample


def test_a_message_with_bytes_that_are_no_text_is_sent_all_the_same() -> None:
    assert b'"caf?"' in decision_body(W1, approve=True, message="caf\udce9")


async def test_an_approval_answers_with_what_the_inner_call_did(gateway: Gateway, sandbox: Sandbox) -> None:
    name = await waiting_request(gateway, sandbox)
    answer = await decide(await gateway.client(as_checker(sandbox.url)), name)
    assert answer.kind is AnswerKind.OK
    assert answer.said is not None
    assert (answer.said.state, answer.said.checker_allowed) == ("approved", True)
    assert answer.said.inner is not None
    assert sandbox.requests[0].decision is not None
    assert sandbox.requests[0].decision.message == "after review"


async def test_a_rejection_is_told_by_its_state(gateway: Gateway, sandbox: Sandbox) -> None:
    name = await waiting_request(gateway, sandbox)
    answer = await decide(await gateway.client(as_checker(sandbox.url)), name, approve=False)
    assert answer.said is not None
    assert (answer.said.state, answer.said.inner) == ("rejected", None)


async def test_the_maker_may_not_decide(gateway: Gateway, sandbox: Sandbox) -> None:
    name = await waiting_request(gateway, sandbox)
    answer = await decide(await gateway.client(make_access(sandbox.url)), name)
    assert answer.kind is AnswerKind.FORBIDDEN


async def test_what_is_decided_already_is_a_conflict(gateway: Gateway, sandbox: Sandbox) -> None:
    name = await waiting_request(gateway, sandbox)
    sandbox.decide_all("rejected")
    answer = await decide(await gateway.client(as_checker(sandbox.url)), name)
    assert (answer.kind, answer.http_status) == (AnswerKind.REFUSED, 409)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (500, AnswerKind.IN_DOUBT),
        (408, AnswerKind.IN_DOUBT),
        (302, AnswerKind.REFUSED),
        (429, AnswerKind.RATE_LIMITED),
        (401, AnswerKind.UNAUTHORIZED),
        (200, AnswerKind.IN_DOUBT),
    ],
)
async def test_an_answer_to_a_decision_proves_what_one_to_a_submission_does(
    gateway: Gateway, status: int, kind: AnswerKind
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    async with http_server(answer) as url:
        assert (await decide(await gateway.client(as_checker(url)))).kind is kind


async def test_an_answer_that_names_another_request_leaves_doubt(gateway: Gateway) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"data": {"requestId": "another", "state": "approved"}})

    async with http_server(answer) as url:
        assert (await decide(await gateway.client(as_checker(url)))).kind is AnswerKind.IN_DOUBT


async def test_a_missing_path_names_the_setting_for_deciding(gateway: Gateway, sandbox: Sandbox) -> None:
    client = await gateway.client(as_checker(sandbox.url))
    answer = await decide(client, "nobody-knows-this")
    assert answer.http_status == 404
    assert "REQUESTS_PATH=/api_gateway/v2/request-workflow" in answer.error.message


@pytest.mark.parametrize("reset", [True, False])
async def test_a_decision_goes_out_once_when_a_reused_connection_breaks(
    gateway: Gateway, *, reset: bool
) -> None:
    delivered: list[bytes] = []
    first = json.dumps({"data": {"requestId": W1, "state": "AdminTask"}}).encode()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = server.heads[-1]
        while True:
            length = re.search(rb"(?i)content-length: (\d+)", head)
            assert length is not None
            delivered.append(await reader.readexactly(int(length[1])))
            if len(delivered) > 1:
                break
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(first), first))
            head = await reader.readuntil(b"\r\n\r\n")
        if reset:
            writer.transport.abort()
        else:
            writer.close()

    async with raw_server(talk) as server:
        client = await gateway.client(as_checker(server.url))
        assert (await decide(client)).kind is AnswerKind.OK
        broken = await decide(client)
        assert (server.connections, len(delivered)) == (1, 2)  # the same connection, and no third delivery
    assert broken.kind is AnswerKind.IN_DOUBT
    assert broken.error.message.startswith("the connection broke (")


def test_the_checkers_credentials_are_taken_for_deciding() -> None:
    access = checker_access(settings(MAKER, CHECKER, checker_ui_auth_token="checks", ui_auth_token="makes"))
    assert (access.login, access.ui_auth_token) == (BasicLogin(username="checker", password="two"), "checks")
    assert isinstance(checker_access(settings(MAKER, CHECKER, CHECKER_OAUTH)).login, OAuthClient)


def test_a_checker_needs_no_maker() -> None:
    assert checker_access(settings(CHECKER, base_url="https://api.example.com")).ui_auth_token == ""


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({}, "CHECKER_USERNAME and CHECKER_PASSWORD"),
        ({"checker_username": "checker"}, "CHECKER_USERNAME and CHECKER_PASSWORD"),
        ({"checker_client_key": "key-2"}, "CHECKER_CLIENT_KEY and CHECKER_CLIENT_SECRET go together"),
        ({**CHECKER, "checker_username": "maker"}, "CHECKER_USERNAME is the maker's"),
        ({**CHECKER_OAUTH, **OAUTH, "checker_client_key": "key-1"}, "CHECKER_CLIENT_KEY is the maker's"),
        (
            {**CHECKER, "ui_auth_token": "same", "checker_ui_auth_token": "same"},
            "CHECKER_UI_AUTH_TOKEN is the maker's",
        ),
    ],
)
def test_a_checker_without_credentials_of_its_own_is_refused(given: dict[str, str], line: str) -> None:
    with pytest.raises(SettingsError, match=line) as raised:
        checker_access(settings(MAKER, given))
    assert "\n" not in str(raised.value)


def test_an_address_is_needed_to_decide() -> None:
    with pytest.raises(SettingsError, match="BASE_URL is missing"):
        checker_access(settings(CHECKER))


def test_no_secret_of_the_checker_is_public() -> None:
    secrets = {**CHECKER, **CHECKER_OAUTH, "checker_ui_auth_token": "checks"}
    known = settings(MAKER, secrets)
    assert not set(secrets.values()) & {str(value) for value in known.public().values()}
    redact = Redactor(known.secrets())
    assert "Y2hlY2tlcjp0d28" not in redact("told: Y2hlY2tlcjp0d28=")
