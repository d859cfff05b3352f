"""Small servers that misbehave in ways the sandbox has no fault for."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True, kw_only=True)
class RawServer:
    """Counts what came in before a test's own bytes went out."""

    url: str = ""
    connections: int = 0
    heads: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def raw_server(talk: Talk, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    """Serve bytes: `talk` is called for each request head that arrives."""
    served = RawServer()
    talking: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.connections += 1
        task = asyncio.current_task()
        assert task is not None
        talking.add(task)
        try:
            served.heads.append(await reader.readuntil(b"\r\n\r\n"))
            await talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            talking.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    scheme = "http" if tls is None else "https"
    served.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield served
    finally:
        server.close()
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking)


@asynccontextmanager
async def http_server(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """Serve whole answers, whatever the path."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
