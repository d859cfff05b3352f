from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.inbox.watched import Watched
from tests.pipeline.world import open_world


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    async with open_world(tmp_path) as world:
        path = tmp_path / "inbox"
        path.mkdir()
        yield Watched(world=world, path=path)
