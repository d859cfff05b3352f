"""What a cluster makes of a file is byte for byte what one process makes of it, even where workers die."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from batch_issuer.cluster import open_engine
from batch_issuer.engine import Engine, Sizes
from batch_issuer.site import Site
from tests.cluster.processes import Cluster
from tests.contract.engine.conftest import settings_for
from tests.pipeline.world import BADGES
from tests.postgresql import Databases
from tests.spread.both_ways import ALL, open_place, outcome_of

pytestmark = [pytest.mark.cluster, pytest.mark.postgres, pytest.mark.end_to_end]

SMALL = Sizes(part_bytes=700, unit_rows=40, slice_bytes=3_000, left_rows=20)
"""Some dozens of parts and units of each file."""
ROWS = 300


def a_file(seed: int) -> str:
    """Write rows in any order of groups: duplicates far apart, mistakes, and cells of several lines."""
    dice = random.Random(seed)  # noqa: S311 - to repeat a run
    lines = ["customer_id,badge_meta_id,reference_id,note"]
    for n in range(ROWS):
        customer = 700_000_000 + (n if dice.random() > 0.1 else dice.randrange(n + 1))
        badge = dice.choice(BADGES[: dice.choice((1, 4))])
        note = dice.choice(("plain", '"two\nlines"', '"so ""to say"", or\r\nnot"', '","', ""))
        lines.append(f"{customer},{badge},R{dice.randrange(3)},{note}")
        if dice.random() < 0.05:
            lines.append(dice.choice((f"1.1E+08,{badge},,", f"{customer},x,R1,", "", ",,,")))
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(folder=tmp_path_factory.mktemp("cluster")) as started:
        yield started.start(workers=2)


class Killing:
    """An engine that kills the worker of another one after so many pieces."""

    def __init__(self, engine: Engine, cluster: Cluster, *, after: int) -> None:
        self._engine = engine
        self._cluster = cluster
        self._left = after

    @property
    def width(self) -> int:
        return self._engine.width

    async def run(self, work: Any, item: Any, **how: Any) -> Any:
        self._left -= 1
        if self._left == 0:
            await asyncio.to_thread(self._cluster.members["worker-0"].kill_the_one_that_works)
        return await self._engine.run(work, item, **how)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_files_and_the_ledger_are_the_same(
    tmp_path: Path, postgres_databases: Databases, cluster: Cluster, seed: int
) -> None:
    file = tmp_path / "in.csv"
    file.write_text(a_file(seed), newline="")
    terms: dict[str, Any] = {"on_invalid": "skip", "max_invalid": ALL}
    ledgers = [postgres_databases.new_database() for _ in range(2)]
    async with open_place(tmp_path / "alone", ledgers[0]) as services:
        alone = await outcome_of(services, file, **terms)
    site = Site(settings_for(cluster, ledger=ledgers[1]))
    async with (
        open_engine(site) as engine,
        open_place(
            tmp_path / "spread", ledgers[1], engine=Killing(engine, cluster, after=10 * seed), sizes=SMALL
        ) as services,
    ):
        spread = await outcome_of(services, file, **terms)
    assert alone == spread
