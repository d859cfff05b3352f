"""A world with a console in it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.pipeline.world import World, open_world
from tests.web.site import Site, open_site


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as opened:
        yield opened


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    async with open_site(world.settings(), world.time.clock()) as opened:
        yield opened
