"""A caller that speaks plain HTTP to a sandbox, as its maker or its checker."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from batch_issuer.sandbox import Sandbox

from .published import decision, submission

JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        return self.document["data"]

    @property
    def message(self) -> str:
        text: str = self.document["errors"][0]["message"]
        return text

    @property
    def output(self) -> Any:
        return self.data["details"]["IntouchAPITask_Output"]


class Api:
    def __init__(self, sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.session = session

    def maker(self) -> dict[str, str]:
        known = self.sandbox.credentials
        return {
            "Authorization": basic(known.maker_username, known.maker_password),
            "X-CAP-API-AUTH-ORG-ID": known.org_id,
            "X-CAP-UI-AUTH-TOKEN": known.maker_ui_token,
        }

    def checker(self) -> dict[str, str]:
        known = self.sandbox.credentials
        return {
            "Authorization": basic(known.checker_username, known.checker_password),
            "X-CAP-API-AUTH-ORG-ID": known.org_id,
            "X-CAP-UI-AUTH-TOKEN": known.checker_ui_token,
        }

    async def call(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        query: Mapping[str, str] | None = None,
        content_type: str = JSON,
    ) -> Reply:
        """Make one call; a path without a leading slash lies under the workflow's base path."""
        url = self.sandbox.url + (
            path if path.startswith("/") else f"{self.sandbox.scenario.base_path}/{path}"
        )
        sent = {**headers, "Content-Type": content_type} if body is not None else dict(headers)
        async with self.session.request(
            method, url, headers=sent, data=body, params=query, allow_redirects=False
        ) as response:
            return Reply(status=response.status, headers=response.headers.copy(), body=await response.read())

    async def post(self, document: object, *, headers: Mapping[str, str] | None = None) -> Reply:
        sent = self.maker() if headers is None else headers
        return await self.call("POST", "ISSUE-BADGE", headers=sent, body=json.dumps(document).encode())

    async def submit(self, *customers: int, request_id: str = "example-batch-0001") -> Reply:
        return await self.post(
            submission(customers=customers or (700000001, 700000002), request_id=request_id)
        )

    async def put(self, document: object, *, headers: Mapping[str, str] | None = None) -> Reply:
        sent = self.checker() if headers is None else headers
        return await self.call("PUT", "ISSUE-BADGE", headers=sent, body=json.dumps(document).encode())

    async def decide(self, workflow_request_id: str, verdict: str = "approved") -> Reply:
        return await self.put(decision(workflow_request_id, verdict))

    async def read(self, workflow_request_id: str) -> Reply:
        return await self.call("GET", f"requests/{workflow_request_id}", headers=self.maker())

    async def list(self, **query: str) -> Reply:
        return await self.call("GET", "requests", headers=self.maker(), query=query)

    async def token(self, key: str | None = None, secret: str | None = None) -> Reply:
        known = self.sandbox.credentials
        document = {"key": key or known.maker_key, "secret": secret or known.maker_secret}
        return await self.call(
            "POST", "/v3/oauth/token/generate", headers={}, body=json.dumps(document).encode()
        )


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
