"""A console and a sandbox in their own time, and a real Chromium before them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import Browser

from batch_issuer.accounts import Role
from batch_issuer.cli.sandbox import checker_settings
from batch_issuer.clock import Clock
from batch_issuer.sandbox import Sandbox, Scenario
from tests.browser.people import CHROMIUM, WITHOUT_CHROMIUM, Person, open_chromium
from tests.pipeline.world import MovedTime, World
from tests.web.site import Site, open_site

Enter = Callable[..., Awaitable[Person]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT_CHROMIUM))


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    async with open_chromium() as browser:
        yield browser


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A sandbox whose checker is a person: nothing is decided by itself."""
    async with Sandbox(scenario=Scenario(omit_share=0, seed=3)) as sandbox:
        yield World(
            sandbox=sandbox,
            output=tmp_path / "output",
            folder=tmp_path,
            time=MovedTime(),
            overrides={"timeout": 2, "settle": 0.2, **checker_settings(sandbox)},
        )


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    async with open_site(world.settings(), Clock()) as opened:
        yield opened


@pytest.fixture
def enter(site: Site, chromium: Browser) -> Enter:
    """Let people in, each at a browser of their own."""

    async def open_for(*roles: Role, user: str = "", **options: object) -> Person:
        person = await Person.at(site.url, chromium, **options)
        if roles:
            name = user or roles[0].value
            await site.add(name, *roles)
            await person.sign_in(name)
        return person

    return open_for
