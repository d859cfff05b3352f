"""A console on loopback, and browsers without scripts that use it as people do: over HTTP, by forms."""

import asyncio
import html
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from argon2 import PasswordHasher
from pydantic import SecretStr

from batch_issuer.accounts import Passwords, Role
from batch_issuer.clock import Clock
from batch_issuer.ledger.audit import Actor, Via
from batch_issuer.settings import Settings
from batch_issuer.web.console import Console, open_console
from batch_issuer.web.patience import Patience
from batch_issuer.web.serving import listening

HAND = Actor(user="a test", via=Via.COMMAND_LINE)
PASSWORD = "a quiet walk in the hills"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # how slow it is, is argon2's own promise
_TOKEN = re.compile(r'name="csrf" value="([0-9a-f]+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a browser got."""

    status: int
    text: str
    headers: Mapping[str, str]
    path: str

    @property
    def csrf(self) -> str:
        """The token that the page's forms carry."""
        found = _TOKEN.search(self.text)
        return found[1] if found else ""

    @property
    def words(self) -> str:
        """What one reads: the text without its tags, entities resolved, blanks made one."""
        visible = re.sub(r"<(script|style|title)\b.*?</\1>", " ", self.text, flags=re.DOTALL)
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", visible)).split())

    @property
    def to(self) -> str:
        """Where it sends the browser."""
        return self.headers.get("Location", "")


@dataclass(slots=True, kw_only=True)
class Browser:
    """Somebody's browser: keeps cookies, follows redirects only when asked to."""

    site: str
    http: aiohttp.ClientSession
    last: Page | None = None

    async def get(self, path: str, *, follow: bool = True, headers: Mapping[str, str] | None = None) -> Page:
        return await self._ask("GET", path, follow=follow, headers=headers)

    async def post(
        self,
        path: str,
        fields: Mapping[str, str] | None = None,
        *,
        csrf: str | None = None,
        follow: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Page:
        """Send a form; its token is that of the last page, unless a test plays another."""
        token = csrf if csrf is not None else (self.last.csrf if self.last else "")
        data = {**({"csrf": token} if token else {}), **(fields or {})}
        return await self._ask("POST", path, follow=follow, headers=headers, data=data)

    async def send(self, method: str, path: str, **options: Any) -> Page:
        """Send anything else."""
        return await self._ask(method, path, follow=False, **options)

    async def sign_in(self, user: str, password: str = PASSWORD) -> Page:
        page = await self.post("/sign-in", {"user": user, "password": password}, csrf="")
        await self.get("/account")
        return page

    async def _ask(self, method: str, path: str, *, follow: bool, **options: Any) -> Page:
        async with self.http.request(
            method, f"{self.site}{path}", allow_redirects=follow, **options
        ) as answer:
            page = Page(
                status=answer.status,
                text=(await answer.read()).decode(errors="replace"),
                headers=dict(answer.headers),
                path=answer.url.path,
            )
        self.last = page if page.csrf or self.last is None else self.last
        return page


@dataclass(slots=True, kw_only=True)
class Site:
    """A console that is open."""

    url: str
    console: Console
    stack: AsyncExitStack
    stopping: asyncio.Event
    browsers: list[Browser] = field(default_factory=list)

    async def add(self, user: str, *roles: Role) -> None:
        """Give somebody an account."""
        await self.console.accounts.add(user, frozenset(roles), SecretStr(PASSWORD), by=HAND)

    async def browser(self, *roles: Role, user: str = "") -> Browser:
        """Return a new browser; of a user with these roles it is signed in."""
        jar = aiohttp.CookieJar(unsafe=True)
        http = await self.stack.enter_async_context(aiohttp.ClientSession(cookie_jar=jar))
        made = Browser(site=self.url, http=http)
        if roles:
            name = user or f"{roles[0].value}-{len(self.browsers)}"
            await self.add(name, *roles)
            assert (await made.sign_in(name)).status == 303
        self.browsers.append(made)
        return made


@asynccontextmanager
async def open_site(
    settings: Settings, clock: Clock, *, patience: Patience | None = None
) -> AsyncIterator[Site]:
    """Open a console on a free port of this machine."""
    stopping = asyncio.Event()
    settings = settings.model_copy(update={"console_port": 0})
    async with (
        AsyncExitStack() as stack,
        open_console(
            settings, clock=clock, passwords=Passwords(CHEAP), patience=patience or Patience()
        ) as console,
        listening(console, stopping) as url,
        stack,
    ):
        yield Site(url=url, console=console, stack=stack, stopping=stopping)
