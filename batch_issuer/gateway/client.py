"""The client: one exchange for each call, no retries, no redirects, TLS always verified."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final
from urllib.parse import quote

import aiohttp

from batch_issuer import __version__
from batch_issuer.batch.ids import WorkflowRequestId
from batch_issuer.batch.outcomes import ServerError
from batch_issuer.batch.requests import IssueRequest
from batch_issuer.clock import Clock
from batch_issuer.gateway.access import Access, InnerCall, OAuthClient, other_path_form
from batch_issuer.gateway.answers import (
    Answer,
    AnswerKind,
    read_date,
    read_decision,
    read_list,
    read_look_up,
    read_retry_after,
    read_submission,
)
from batch_issuer.gateway.credentials import Credentials, Token, read_token
from batch_issuer.gateway.exchanges import Heard, Operation, nobody
from batch_issuer.gateway.wire import decision_body, issue_badge_body, list_query, read_json, token_body
from batch_issuer.redaction import Redactor

BADGES_PATH: Final = "/api_gateway/v1/badges/badgeMeta"
TOKEN_PATH: Final = "/v3/oauth/token/generate"  # noqa: S105 - a path
_CONNECT_SECONDS: Final = 10.0
_IDLE_SECONDS: Final = 4.0
"""Reuse a connection only this long: one that the server is closing would put a POST in doubt."""
_LARGEST_BODY: Final = 256 * 1024 * 1024

_NO_HEADERS: Final[Mapping[str, str]] = {}
_METHODS: Final = {
    Operation.SUBMIT: "POST",
    Operation.LIST: "GET",
    Operation.DECIDE: "PUT",
    Operation.BADGE: "GET",
    Operation.TOKEN: "POST",
}
_REPEATED_UNSEEN: Final = frozenset({"GET", "PUT"})
"""What aiohttp sends again by itself where a reused connection breaks; a POST it does not."""
_NEVER_OPENED: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)


class _Broke(aiohttp.ClientError):
    """The connection broke after the request went out, in a form that aiohttp does not repeat by itself."""

    def __init__(self, reason: Exception) -> None:
        super().__init__()
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class _Received:
    status: int
    body: bytes = field(repr=False)  # the server sends our credentials back
    retry_after: float | None
    date: str | None


class Client:
    """Speaks the contract for one caller; every failure that can be expected is an Answer, never raised."""

    def __init__(  # noqa: PLR0913 - one keyword for each thing it works with
        self,
        session: aiohttp.ClientSession,
        access: Access,
        *,
        redact: Redactor,
        clock: Clock,
        timeout_seconds: float,
        heard: Heard = nobody,
    ) -> None:
        """Use `open_client`, which owns the session and bounds each exchange."""
        self._session = session
        self._access = access
        self._redact = redact
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._heard = heard
        login = access.login
        self._credentials = Credentials(self._fetch_token if isinstance(login, OAuthClient) else login, clock)
        caller = {
            "X-CAP-API-AUTH-ORG-ID": access.org_id,
            "X-CAP-UI-AUTH-TOKEN": access.ui_auth_token,
        }
        self._caller = {name: value for name, value in caller.items() if value}
        """Names the organisation and the user who makes or decides."""
        self._submit_path = f"{access.workflow_path}/ISSUE-BADGE"

    @property
    def can_renew(self) -> bool:
        """Whether a 401 may be answered by a fresh token."""
        return self._credentials.can_renew

    async def log_in(self) -> Answer | None:
        """Fetch a token where one is needed, or return the answer that says why there is none."""
        proof = await self._credentials.headers()
        return proof if isinstance(proof, Answer) else None

    async def submit(self, request: IssueRequest, inner: InnerCall) -> Answer:
        """POST one request."""
        body = issue_badge_body(request, inner)
        received = await self._call(Operation.SUBMIT, self._submit_path, headers=self._caller, body=body)
        if isinstance(received, Answer):
            return received
        answer = read_submission(
            received.status,
            received.body,
            request_id=request.request_id,
            redact=self._redact,
            retry_after=received.retry_after,
        )
        return self._name_other_path(answer, self._access.workflow_path, "WORKFLOW_PATH")

    async def decide(self, workflow_request_id: WorkflowRequestId, *, approve: bool, message: str) -> Answer:
        """PUT a checker's decision on one request."""
        body = decision_body(workflow_request_id, approve=approve, message=message)
        path = f"{self._access.requests_path}/ISSUE-BADGE"
        received = await self._call(Operation.DECIDE, path, headers=self._caller, body=body)
        if isinstance(received, Answer):
            return received
        answer = read_decision(
            received.status,
            received.body,
            decided=workflow_request_id,
            redact=self._redact,
            retry_after=received.retry_after,
        )
        return self._name_other_path(answer, self._access.requests_path, "REQUESTS_PATH")

    async def list_requests(self, *, first_day: date, last_day: date, page: int) -> Answer:
        """GET one page of the server's list, oldest first."""
        query = list_query(first_day=first_day, last_day=last_day, page=page)
        path = f"{self._access.requests_path}/requests"
        received = await self._call(Operation.LIST, path, query=query)
        if isinstance(received, Answer):
            return received
        answer = read_list(
            received.status, received.body, redact=self._redact, retry_after=received.retry_after
        )
        answer = replace(answer, dated=read_date(received.date))
        return self._name_other_path(answer, self._access.requests_path, "REQUESTS_PATH")

    async def look_up_badge(self, badge_meta_id: str) -> Answer:
        """GET one badge's definition."""
        path = f"{BADGES_PATH}/{quote(badge_meta_id, safe='')}"
        received = await self._call(Operation.BADGE, path)
        if isinstance(received, Answer):
            return received
        return read_look_up(
            received.status,
            received.body,
            badge_meta_id=badge_meta_id,
            redact=self._redact,
            retry_after=received.retry_after,
        )

    async def _call(
        self,
        operation: Operation,
        path: str,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> _Received | Answer:
        proof = await self._credentials.headers()
        if isinstance(proof, Answer):
            return proof
        received = await self._timed(operation, path, headers={**proof, **headers}, query=query, body=body)
        if isinstance(received, _Received) and received.status == 401:  # noqa: PLR2004 - Unauthorized
            self._credentials.forget(proof)
        return received

    async def _fetch_token(self) -> Token | Answer:
        login = self._access.login
        assert isinstance(login, OAuthClient)  # noqa: S101 - only an OAuth login is given this source
        received = await self._timed(
            Operation.TOKEN, TOKEN_PATH, headers={}, query=None, body=token_body(login)
        )
        if isinstance(received, Answer):
            return replace(received, kind=AnswerKind.NOT_REACHED)  # no submission went out yet
        content = read_json(received.body)
        token = read_token(received.status, content, redact=self._redact, retry_after=received.retry_after)
        if isinstance(token, Token):
            self._redact.add(token.value)
        return token

    async def _timed(
        self,
        operation: Operation,
        path: str,
        *,
        headers: dict[str, str],
        query: Mapping[str, str] | None,
        body: bytes | None,
    ) -> _Received | Answer:
        """Make one exchange, and tell who listens how long it took."""
        began = self._clock.uptime()
        received = await self._exchange(_METHODS[operation], path, headers=headers, query=query, body=body)
        status = received.status if isinstance(received, _Received) else None
        self._heard(operation, status, self._clock.uptime() - began)
        return received

    async def _exchange(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str],
        query: Mapping[str, str] | None,
        body: bytes | None,
    ) -> _Received | Answer:
        """Send and receive once; what aiohttp raises becomes "not reached" or "in doubt"."""
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            async with self._session.request(
                method,
                self._access.base_url + path,
                headers=headers,
                params=query,
                data=body,
                allow_redirects=False,
                middlewares=None if method in _REPEATED_UNSEEN else (),
            ) as response:
                asked = response.headers.get("Retry-After")
                retry_after = read_retry_after(asked, now=self._clock.now()) if asked else None
                date_header = response.headers.get("Date")
                content = await _read(response)
                return _Received(
                    status=response.status, body=content, retry_after=retry_after, date=date_header
                )
        except _NEVER_OPENED as exc:
            return _failure(AnswerKind.NOT_REACHED, "no connection", exc)
        except TimeoutError as exc:
            return _failure(AnswerKind.IN_DOUBT, f"no answer within {self._timeout_seconds:g} s", exc)
        except _Broke as exc:
            return _failure(AnswerKind.IN_DOUBT, "the connection broke", exc.reason)
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            return _failure(AnswerKind.IN_DOUBT, "the connection broke", exc)

    def _name_other_path(self, answer: Answer, path: str, setting: str) -> Answer:
        if answer.http_status != 404:  # noqa: PLR2004 - Not Found
            return answer
        hint = f"{answer.error.message}; if the path is wrong, try {setting}={other_path_form(path)}"
        return replace(answer, error=replace(answer.error, message=hint))


async def _once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Send a request once: where a reused connection breaks, aiohttp would repeat a PUT or GET unseen."""
    try:
        return await send(request)
    except _NEVER_OPENED:  # aiohttp does not repeat these
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as exc:
        raise _Broke(exc) from exc


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Read a body of bounded size; more than that can be no answer of this API."""
    size = None if "Content-Encoding" in response.headers else response.content_length
    if size is not None and size <= _LARGEST_BODY:
        return await response.read()
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_chunked(1 << 16):
        size += len(part)
        if size > _LARGEST_BODY:
            raise aiohttp.ClientPayloadError("the body is too large")
        parts.append(part)
    return b"".join(parts)


def _failure(kind: AnswerKind, what: str, exc: Exception) -> Answer:
    # the exception's class only: its text may hold addresses with credentials
    return Answer(kind=kind, error=ServerError(message=f"{what} ({type(exc).__name__})"))


@asynccontextmanager
async def open_client(  # noqa: PLR0913 - as Client
    access: Access,
    *,
    redact: Redactor,
    clock: Clock,
    timeout_seconds: float,
    connections: int,
    heard: Heard = nobody,
) -> AsyncIterator[Client]:
    """Open a client with at most so many connections, all closed on leaving; `heard` of each exchange."""
    connect = min(_CONNECT_SECONDS, timeout_seconds / 2)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=_IDLE_SECONDS),
        timeout=aiohttp.ClientTimeout(total=timeout_seconds, connect=connect, sock_connect=connect),
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=(_once,),
        headers={"User-Agent": f"batch_issuer/{__version__}", "Accept": "application/json"},
    ) as session:
        yield Client(
            session, access, redact=redact, clock=clock, timeout_seconds=timeout_seconds, heard=heard
        )
        await asyncio.sleep(0)  # let closed transports say goodbye before the loop ends
