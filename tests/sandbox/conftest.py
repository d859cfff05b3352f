"""Sandboxes with a clock that tests move, and callers for them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import aiohttp
import pytest

from batch_issuer.sandbox import Sandbox, Scenario

from .api import Api

OpenSandbox = Callable[..., Awaitable[Api]]


class MovedClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 4, 45, tzinfo=UTC).timestamp()
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
async def open_sandbox(clock: MovedClock) -> AsyncIterator[OpenSandbox]:
    async with AsyncExitStack() as stack:

        async def open_one(**options: object) -> Api:
            scenario = Scenario(**options)  # type: ignore[arg-type]  # a test names the options it needs
            session = await stack.enter_async_context(aiohttp.ClientSession())
            sandbox = Sandbox(scenario=scenario, clock=clock, sleep=clock.sleep)
            return Api(await stack.enter_async_context(sandbox), session)

        yield open_one


@pytest.fixture
async def api(open_sandbox: OpenSandbox) -> Api:
    return await open_sandbox()


@pytest.fixture
async def unread(api: Api) -> AsyncIterator[Api]:
    """Give a caller that neither unpacks nor repeats anything by itself."""
    async with aiohttp.ClientSession(
        auto_decompress=False, connector=aiohttp.TCPConnector(force_close=True)
    ) as session:
        session._retry_connection = False  # else GETs and PUTs on a broken connection go out again
        yield Api(api.sandbox, session)
