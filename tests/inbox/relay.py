"""The way to a server, which can be cut: what is sent then is lost, and nobody knows that it is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(slots=True, kw_only=True)
class Relay:
    """Passes connections on, unless it is cut."""

    server: str
    url: str = ""
    is_cut: bool = False

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            if self.is_cut:
                await reader.read(1)
            else:
                there_reader, there_writer = await asyncio.open_connection(*self._place())
                await asyncio.gather(_pass_on(reader, there_writer), _pass_on(there_reader, writer))
        writer.close()

    def _place(self) -> tuple[str, int]:
        parts = urlsplit(self.server)
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while content := await reader.read(1 << 16):
            writer.write(content)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def open_relay(server: str) -> AsyncIterator[Relay]:
    relay = Relay(server=server)
    listener = await asyncio.start_server(relay.carry, "127.0.0.1", 0)
    async with listener:
        relay.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        yield relay
