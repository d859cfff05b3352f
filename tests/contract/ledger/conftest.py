"""One suite for every database that can hold a ledger."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from batch_issuer.ledger import Ledger, open_ledger
from tests.conftest import FakeClock, open_connections
from tests.postgresql import Databases

OpenAgain = Callable[[], AbstractAsyncContextManager[Ledger]]


@pytest.fixture(scope="session")
def migrated_database(postgres_databases: Databases) -> str:
    """Make one empty ledger on the server, to be copied."""
    url = postgres_databases.new_database()

    async def make() -> None:
        async with open_ledger(url):
            pass

    asyncio.run(make())
    return url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def ledger_url(request: pytest.FixtureRequest, ledger_path: Path, migrated: Path) -> str:
    if request.param == "sqlite":
        shutil.copyfile(migrated, ledger_path)
        return f"sqlite:///{ledger_path}"
    databases: Databases = request.getfixturevalue("postgres_databases")
    return databases.new_database(base=request.getfixturevalue("migrated_database"))


@pytest.fixture
def open_again(ledger_url: str, time: FakeClock) -> OpenAgain:
    """Open the ledger as another process would; all of them go by the test's clock."""

    @asynccontextmanager
    async def opening() -> AsyncIterator[Ledger]:
        async with open_ledger(ledger_url, time.clock) as opened:
            opened._database = replace(opened._database, now=lambda _: time.at)
            yield opened
            assert open_connections(opened) == 0

    return opening


@pytest.fixture
async def ledger(open_again: OpenAgain) -> AsyncIterator[Ledger]:
    async with open_again() as opened:
        yield opened
