"""Uploads beside a sandbox, a ledger file and an output folder."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from batch_issuer.ledger.records import open_records
from batch_issuer.ledger.uploads import Upload
from batch_issuer.uploads import Checked, Uploads, open_uploads
from tests.pipeline.world import World, open_world

USER = "maria"


class Desk:
    """What a test works with: the uploads of one user."""

    def __init__(self, world: World, uploads: Uploads) -> None:
        self.world = world
        self.uploads = uploads

    async def bring(self, content: str | bytes | Path, name: str = "customers.csv") -> Upload:
        data = await asyncio.to_thread(content.read_bytes) if isinstance(content, Path) else content
        return await self.uploads.receive(in_parts(data), file_name=name, user=USER)

    async def check(self, upload: Upload) -> Checked:
        self.uploads.check(upload)
        await self.uploads.wait(upload)
        assert not self.uploads.trouble(upload)
        checked = await self.uploads.checked(upload)
        assert checked is not None
        return checked

    async def again(self, upload: Upload) -> Upload:
        found = await self.uploads.find(upload.upload, user=USER)
        assert found is not None
        return found

    def folders(self) -> list[str]:
        return sorted(path.name for path in (self.world.output / ".uploads").glob("*"))


async def in_parts(content: str | bytes, size: int = 1_000) -> AsyncIterator[bytes]:
    data = content.encode() if isinstance(content, str) else content
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as opened:
        yield opened


@asynccontextmanager
async def desk_at(world: World) -> AsyncIterator[Desk]:
    """Open the uploads of a server."""
    settings, clock = world.settings(), world.time.clock()
    async with (
        open_records(settings.ledger_url, clock) as records,
        open_uploads(records, settings, clock) as uploads,
    ):
        yield Desk(world, uploads)


@pytest.fixture
async def desk(world: World) -> AsyncIterator[Desk]:
    async with desk_at(world) as opened:
        yield opened
