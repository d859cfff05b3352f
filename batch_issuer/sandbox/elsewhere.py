"""Another port of this machine, to which redirects point: nobody should ever call it."""

from contextlib import AsyncExitStack
from typing import Self

from aiohttp import web

from batch_issuer.sandbox.access import OAUTH_HEADER, UI_TOKEN_HEADER
from batch_issuer.sandbox.answers import error_envelope

_LOOPBACK = "127.0.0.1"
_NOT_FOUND = 404
_SECRET_HEADERS = ("Authorization", OAUTH_HEADER, UI_TOKEN_HEADER)


class Elsewhere:
    """Counts who follows a redirect, and who brings credentials along; open inside its `async with`."""

    def __init__(self) -> None:
        self.calls = 0
        self.with_credentials = 0
        self.url = ""
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        runner = web.ServerRunner(web.Server(self._answer, access_log=None))
        async with AsyncExitStack() as stack:
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, _LOOPBACK, 0).start()
            self.url = f"http://{_LOOPBACK}:{runner.addresses[0][1]}"
            self._open = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.calls += 1
        self.with_credentials += any(name in request.headers for name in _SECRET_HEADERS)
        return web.json_response(error_envelope(_NOT_FOUND), status=_NOT_FOUND)
