"""Opens the console at an address, and closes it in order."""

import asyncio
import ipaddress
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from batch_issuer.addresses import is_loopback
from batch_issuer.clock import Clock
from batch_issuer.errors import UsageError
from batch_issuer.runs import LoadSettings
from batch_issuer.settings import Settings
from batch_issuer.web.app import make_app
from batch_issuer.web.console import Console, open_console
from batch_issuer.web.events import Hub

log = logging.getLogger(__name__)

_KEPT_OPEN_SECONDS: Final = 75.0
_SECONDS_TO_FINISH: Final = 10.0
_LONGEST_ADDRESS: Final = 65_536
"""All options of a file may stand in an address, each character as up to twelve."""


async def serve(
    settings: Settings,
    stopping: asyncio.Event,
    *,
    clock: Clock,
    load_settings: LoadSettings | None,
    on_open: Callable[[str, Console], None],
) -> None:
    """Serve the console until it is asked to stop; `on_open` is told its address.

    Raises UsageError where it must not listen at the address, or can't, and what opening the ledger raises.
    """
    async with open_console(settings, clock=clock, load_settings=load_settings) as console:
        await refuse_open_doors(console)
        async with listening(console, stopping) as url:
            log.info("console opened", extra={"address": url})
            on_open(url, console)
            await stopping.wait()
    log.info("console closed")


async def refuse_open_doors(console: Console) -> None:
    """Refuse to listen beyond this machine without accounts, and without knowing the own address."""
    settings, doorway = console.settings, console.doorway
    if doorway.user_header and not doorway.proxies:
        raise UsageError(
            "CONSOLE_USER_HEADER names a header, but CONSOLE_PROXIES no proxy that may send it: "
            "anybody could say they are somebody else. Name the addresses of the proxy"
        )
    if is_loopback(settings.console_host):
        return
    problems = []
    if not await console.accounts.any_exist():
        problems.append("there is no account yet: `batch-issuer users add NAME --role admin` makes one")
    if not settings.console_url:
        problems.append("CONSOLE_URL does not say under which https address people reach it")
    if problems:
        raise UsageError(
            f"the console does not listen at {settings.console_host}, beyond this machine: "
            f"{'; '.join(problems)}"
        )


@asynccontextmanager
async def listening(
    console: Console, stopping: asyncio.Event, *, hub: Hub | None = None
) -> AsyncIterator[str]:
    """Answer requests, and yield the address; streams end when `stopping` is set."""
    host, port = console.settings.console_host, console.settings.console_port
    runner = web.AppRunner(
        make_app(console, stopping, hub),
        access_log=None,  # addresses of pages hold what was searched for: customer ids never go to a log
        handle_signals=False,
        keepalive_timeout=_KEPT_OPEN_SECONDS,
        shutdown_timeout=_SECONDS_TO_FINISH,
        max_line_size=_LONGEST_ADDRESS,
        auto_decompress=False,  # a small body must not become a large one
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, reuse_address=True)
        try:
            await site.start()
        except OSError as exc:
            raise UsageError(
                f"the console can't listen at {host}:{port} ({exc.strerror or exc}); name another --port"
            ) from exc
        yield _url(runner)
    finally:
        stopping.set()
        await runner.cleanup()


def _url(runner: web.AppRunner) -> str:
    host, port = runner.addresses[0][:2]
    shown = f"[{host}]" if ipaddress.ip_address(host).version == 6 else host  # noqa: PLR2004 - IPv6
    return f"http://{shown}:{port}"
