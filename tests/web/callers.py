"""Other systems that use the API with a token of a user."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from pydantic import SecretStr
from yarl import URL

from batch_issuer.accounts import Role
from tests.web.site import HAND, PASSWORD, Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a system got."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    json: Any

    @property
    def detail(self) -> str:
        """What a problem says."""
        told: str = self.json["detail"]
        return told

    @property
    def wrong(self) -> list[str]:
        """The fields that a problem names."""
        return [error["field"] for error in self.json["errors"]]


@dataclass(slots=True, kw_only=True)
class Caller:
    """A system with a token, or without one."""

    site: Site
    http: aiohttp.ClientSession
    user: str
    token_id: str

    async def get(self, path: str, **query: Any) -> Reply:
        return await self.send("GET", path, params=query)

    async def get_raw(self, path: str) -> Reply:
        """Ask for an address exactly as it is written."""
        async with self.http.get(URL(f"{self.site.url}{path}", encoded=True)) as answer:
            return await _reply(answer)

    async def post(self, path: str, **options: Any) -> Reply:
        return await self.send("POST", path, **options)

    async def send(self, method: str, path: str, **options: Any) -> Reply:
        async with self.http.request(method, f"{self.site.url}{path}", **options) as answer:
            return await _reply(answer)

    async def create(self, text: str, *, key: str = "", **query: str) -> Reply:
        """Send a file as the body itself."""
        headers = {"Content-Type": "text/csv", **({"Idempotency-Key": key} if key else {})}
        return await self.post("/api/batches", data=text.encode(), headers=headers, params=query)

    async def ended(self, reply: Reply) -> Any:
        """Wait for the run that was started, and tell how it ended."""
        assert reply.status == 202, reply.body
        await self.site.console.runs.wait(reply.json["run"])
        return (await self.get(reply.headers["Location"])).json

    async def issued(self, text: str, **query: str) -> str:
        """Issue a file, and return its batch."""
        ended = await self.ended(await self.create(text, **query))
        batch: str = ended["batch"]
        assert batch, ended
        return batch


async def _reply(answer: aiohttp.ClientResponse) -> Reply:
    return Reply(
        status=answer.status,
        headers=answer.headers,
        body=await answer.read(),
        json=await answer.json(content_type=None) if "json" in answer.content_type else None,
    )


async def caller(site: Site, *roles: Role, user: str = "", days: int = 30) -> Caller:
    """Make a user of some roles with a token, and return what uses it."""
    name = user or f"{roles[0].value}-system"
    accounts = site.console.accounts
    if await accounts.find(name) is None:
        await accounts.add(name, frozenset(roles), SecretStr(PASSWORD), by=HAND)
    token_id, token = await accounts.make_token(name, "a test", days, by=HAND)
    headers = {"Authorization": f"Bearer {token.get_secret_value()}"}
    http = await site.stack.enter_async_context(aiohttp.ClientSession(headers=headers))
    return Caller(site=site, http=http, user=name, token_id=token_id)


async def stranger(site: Site, **headers: str) -> Caller:
    """Return who has no token."""
    http = await site.stack.enter_async_context(aiohttp.ClientSession(headers=headers))
    return Caller(site=site, http=http, user="", token_id="")
