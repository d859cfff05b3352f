"""One suite for every engine: this process, and a real cluster of processes."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from batch_issuer.cluster import open_engine
from batch_issuer.engine import Engine, ThisProcess
from batch_issuer.settings import Settings
from batch_issuer.site import Site
from tests.cluster.processes import Cluster

LEDGER = "postgresql://postgres@127.0.0.1/nobody_opens_it"
"""A cluster needs one, and no piece of this suite opens it."""


def settings_for(cluster: Cluster, **facts: Any) -> Settings:
    return Settings.model_validate({"engine": cluster.engine, "ledger": LEDGER, **facts})


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Start a scheduler and two workers that the suite shares."""
    environment = {"BATCH_ISSUER_LEDGER": LEDGER, "BATCH_ISSUER_PASSWORD": "the-workers-own"}
    with Cluster(folder=tmp_path_factory.mktemp("cluster"), environment=environment) as started:
        yield started.start(workers=2)


@pytest.fixture(params=["this process", pytest.param("dask", marks=pytest.mark.cluster)])
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[Engine]:
    if request.param == "this process":
        yield ThisProcess()
        return
    async with open_engine(Site(settings_for(request.getfixturevalue("cluster")))) as opened:
        yield opened
