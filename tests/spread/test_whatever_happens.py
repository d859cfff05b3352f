"""Whoever dies, comes late or does a piece twice: a file is recorded once, and whole."""

import asyncio
import pickle
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select, update

from batch_issuer.acceptance import accept_again
from batch_issuer.assembly import NoProgress, Services
from batch_issuer.batch.ids import BatchId
from batch_issuer.batch.stages import Stage
from batch_issuer.engine import Sizes
from batch_issuer.errors import (
    AlreadyIssued,
    BatchTakenOver,
    EngineUnavailable,
    Interrupted,
    LedgerUnavailable,
    UsageError,
)
from batch_issuer.gateway import read_access
from batch_issuer.ledger import Batch, BatchStage, tables
from batch_issuer.ledger.batches import list_batches
from tests.pipeline.world import BADGES

from .both_ways import TINY, accept_file, all_of, open_place, staged
from .engines import Elsewhere, Watched

STAGES = ("check_one_part", "plan_unit", "record_requests")
ROWS = "".join(f"{n % 17 + 1},{BADGES[n % 3]}\n" for n in range(40)) + f"x,{BADGES[0]}\n"
FILE = f"customer_id,badge_meta_id\n{ROWS}"
EARLIER = f"customer_id,badge_meta_id\n5,{BADGES[1]}\n6,{BADGES[2]}\n"
HOW: dict[str, Any] = {"on_invalid": "skip"}


class Killed(BaseException):
    """Ends a run where a kill would."""


class At:
    """Does something before the piece of one stage that comes so many-th."""

    def __init__(self, stage: str, number: int, do: Callable[[Any], object]) -> None:
        self._stage, self._left, self._do = stage, number, do

    def __call__(self, stage: str, item: Any) -> None:
        if stage == self._stage:
            self._left -= 1
            if not self._left:
                self._do(item)


def die(_: Any) -> None:
    raise Killed


@pytest.fixture
def ledger_url(tmp_path: Path, migrated: Path) -> str:
    shutil.copyfile(migrated, tmp_path / "ledger.db")
    return f"sqlite:///{tmp_path}/ledger.db"


@pytest.fixture
async def services(tmp_path: Path, ledger_url: str) -> AsyncIterator[Services]:
    """Open services whose ledger knows a batch that holds two of the customers."""
    (tmp_path / "earlier.csv").write_text(EARLIER)
    (tmp_path / "customers.csv").write_text(FILE)
    async with open_place(tmp_path, ledger_url) as opened:
        await accept_file(opened, tmp_path / "earlier.csv")
        await opened.clock.sleep(1)
        yield opened


@pytest.fixture
async def undisturbed(tmp_path: Path, migrated: Path) -> dict[str, Any]:
    """Return what is recorded of the file in one piece, when nothing happens."""
    folder = tmp_path / "undisturbed"
    folder.mkdir()
    shutil.copyfile(migrated, folder / "ledger.db")
    async with open_place(folder, f"sqlite:///{folder}/ledger.db") as services:
        for name, text in (("earlier.csv", EARLIER), ("customers.csv", FILE)):
            (folder / name).write_text(text)
        await accept_file(services, folder / "earlier.csv")
        await services.clock.sleep(1)
        return await all_of(services, await accept_file(services, folder / "customers.csv", **HOW))


def beside(services: Services, engine: Elsewhere | None) -> Services:
    return replace(services, engine=engine, sizes=TINY)


async def only_batch(services: Services) -> Batch:
    """Return the batch of the file, which is the latest."""
    return (await services.ledger.read(list_batches))[0]


async def finish(services: Services, batch: Batch) -> dict[str, Any]:
    return await all_of(services, await accept_again(services, batch, read_access(services.settings)))


@pytest.mark.parametrize("engine", [None, Elsewhere()], ids=["in one piece", "in parts"])
@pytest.mark.parametrize("number", [1, 4])
@pytest.mark.parametrize("stage", STAGES)
async def test_what_a_client_leaves_when_it_dies_is_finished_in_either_way(  # noqa: PLR0917 - drawn
    services: Services,
    undisturbed: dict[str, Any],
    tmp_path: Path,
    stage: str,
    number: int,
    engine: Elsewhere | None,
) -> None:
    with pytest.raises(Killed):
        await accept_file(
            beside(services, Watched(At(stage, number, die))), tmp_path / "customers.csv", **HOW
        )
    batch = await only_batch(services)
    assert batch.stage is BatchStage.RECORDING
    assert await finish(beside(services, engine), batch) == undisturbed


async def test_what_was_staged_when_a_client_died_right_after_it_accepted_is_forgotten_by_the_next(
    services: Services, tmp_path: Path
) -> None:
    keep = (
        "CREATE TRIGGER keep BEFORE DELETE ON staged_parts WHEN "
        "(SELECT stage FROM batches WHERE batch = OLD.batch) = 'accepted' "
        "BEGIN SELECT RAISE(ABORT, 'gone'); END"
    )
    engine = Elsewhere()
    await execute(services, keep)
    with pytest.raises(LedgerUnavailable, match="gone"):
        await accept_file(beside(services, engine), tmp_path / "customers.csv", **HOW)
    assert (await only_batch(services)).stage is BatchStage.ACCEPTED
    assert (await services.ledger.read(staged))[0]
    await execute(services, "DROP TRIGGER keep")
    (tmp_path / "next.csv").write_text(FILE + "\n")
    await services.clock.sleep(1)
    await accept_file(beside(services, engine), tmp_path / "next.csv", **HOW)
    assert await services.ledger.read(staged) == [0, 0, 0]


async def execute(services: Services, statement: str) -> None:
    """Change the ledger behind everybody's back."""
    await services.ledger.write(lambda c: c.exec_driver_sql(statement).close())


async def test_a_piece_that_comes_late_writes_nothing(
    services: Services, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    engine = Watched()
    accepted = await accept_file(beside(services, engine), tmp_path / "customers.csv", **HOW)
    await execute(services, "delete from request_rows where rowid = 5")  # as when a request was halved
    before = await services.ledger.read(everything)
    assert {work.__name__ for work, _ in engine.done} == set(STAGES)
    for work, item in engine.done:
        with pytest.raises(BatchTakenOver):
            await Elsewhere().run(work, item)
    assert await services.ledger.read(everything) == before
    assert accepted.batch.rows == undisturbed["batch"].rows


def everything(connection: Connection) -> list[int]:
    names = (
        "problems",
        "duplicates",
        "held_rows",
        "requests",
        "request_rows",
        "staged_parts",
        "staged_units",
    )
    counts = (select(func.count()).select_from(tables.metadata.tables[name]) for name in names)
    return [connection.execute(count).scalar_one() for count in counts]


async def test_a_piece_of_an_earlier_draft_writes_nothing_into_the_next(
    services: Services, tmp_path: Path
) -> None:
    first = Watched(At("record_requests", 2, die))
    with pytest.raises(Killed):
        await accept_file(beside(services, first), tmp_path / "customers.csv", **HOW)
    refused: list[str] = []

    class Late(Watched):
        async def run(self, work: Any, item: Any, **_how: Any) -> Any:
            if work.__name__ == "record_requests" and not refused:
                for late, given in first.done:
                    with pytest.raises(BatchTakenOver, match="another one has taken over batch 2026"):
                        await Elsewhere.run(self, late, given)
                    refused.append(late.__name__)
            return await super().run(work, item)

    await finish(beside(services, Late()), await only_batch(services))
    assert set(refused) == set(STAGES)


async def test_a_piece_that_is_done_again_when_other_batches_hold_less_keeps_to_what_was_staged(
    services: Services, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    class Again(Elsewhere):
        turn = asyncio.Lock()

        async def run(self, work: Any, item: Any, **_how: Any) -> Any:
            async with self.turn:  # none sees what is changed for another
                if work.__name__ == "plan_unit":
                    await super().run(work, item)
                    await set_stages(services, Stage.REFUSED, besides=item.draft.batch)
                result = await super().run(work, item)
                await set_stages(services, Stage.NOT_SENT, besides=item.draft.batch)
                return result

    accepted = await accept_file(beside(services, Again()), tmp_path / "customers.csv", **HOW)
    assert await all_of(services, accepted) == undisturbed


async def set_stages(services: Services, stage: Stage, *, besides: BatchId) -> None:
    """Change how all requests of other batches stand."""
    known = tables.requests.c
    query = update(tables.requests).where(known.batch != besides).values(stage=stage.value)
    await services.ledger.write(lambda connection: connection.execute(query).close())


@pytest.mark.parametrize("stage", ["plan_unit", "record_requests"])
async def test_customers_of_a_batch_that_is_accepted_meanwhile_are_kept_back(
    services: Services, tmp_path: Path, stage: str
) -> None:
    other = tmp_path / "other.csv"
    other.write_text(f"customer_id,badge_meta_id\n1,{BADGES[0]}\n2,{BADGES[1]}\n")

    class Overtaken(Elsewhere):
        is_over = False

        async def run(self, work: Any, item: Any, **_how: Any) -> Any:
            if work.__name__ == stage and not self.is_over:
                self.is_over = True
                await services.clock.sleep(1)
                await accept_file(services, other)
            return await super().run(work, item)

    accepted = await accept_file(beside(services, Overtaken()), tmp_path / "customers.csv", **HOW)
    found = await all_of(services, accepted)
    assert accepted.batch.already_issued == len(found["held"]) == 4
    assert {customer for _, customer, _ in found["held"]} == {1, 2, 5, 6}
    sent = [customer for _, customers, _ in found["requests"] for customer in customers]
    assert len(sent) + 4 + len(found["duplicates"]) == 40


async def test_content_that_is_accepted_meanwhile_is_refused_and_leaves_nothing(
    services: Services, tmp_path: Path
) -> None:
    class Overtaken(Elsewhere):
        is_over = False

        async def run(self, work: Any, item: Any, **_how: Any) -> Any:
            if work.__name__ == "record_requests" and not self.is_over:
                self.is_over = True
                await services.clock.sleep(1)
                await accept_file(services, tmp_path / "customers.csv", **HOW)
            return await super().run(work, item)

    with pytest.raises(AlreadyIssued):
        await accept_file(beside(services, Overtaken()), tmp_path / "customers.csv", **HOW)
    await nothing_left(services, batches=2)


async def nothing_left(services: Services, *, batches: int) -> None:
    """Make sure that only some batches are known, which are accepted, and that nothing is staged."""
    known = await services.ledger.read(list_batches)
    assert [batch.stage for batch in known] == [BatchStage.ACCEPTED] * batches
    folders = {path.name for path in services.settings.output.iterdir() if path.is_dir()}
    assert folders == {batch.batch for batch in known}
    assert await services.ledger.read(staged) == [0, 0, 0]


@pytest.mark.parametrize("stage", STAGES)
async def test_a_stop_ends_the_work_at_once_and_leaves_nothing(
    services: Services, tmp_path: Path, stage: str
) -> None:
    engine = Watched(At(stage, 2, lambda _: services.stopping.set()))
    with pytest.raises(Interrupted, match="nothing was accepted, and nothing sent"):
        await accept_file(beside(services, engine), tmp_path / "customers.csv", **HOW)
    assert [work.__name__ for work, _ in engine.done].count(stage) <= 2 * engine.width + 1
    services.stopping.clear()
    await nothing_left(services, batches=1)


async def test_a_stop_that_comes_with_the_last_part_ends_it_too(services: Services, tmp_path: Path) -> None:
    class StopAtTheEnd(NoProgress):
        def rows_checked(self, count: int) -> None:
            self.rows = getattr(self, "rows", 0) + count
            if self.rows == 41:
                services.stopping.set()

    stopped = replace(beside(services, Elsewhere()), progress=StopAtTheEnd())
    with pytest.raises(Interrupted, match="nothing was accepted"):
        await accept_file(stopped, tmp_path / "customers.csv", **HOW)
    await nothing_left(services, batches=1)


def hide(item: Any) -> None:
    item.copy.rename(item.copy.with_name("hidden"))


def put_another_file(item: Any) -> None:
    item.copy.write_text(FILE + "1\n")


def alter(item: Any) -> None:
    item.copy.write_text(FILE.replace("1", "2"))


@pytest.mark.parametrize(
    ("do", "told"),
    [
        (
            hide,
            "a worker can't read .*No such file.*OUTPUT must be a folder that this machine and",
        ),
        (put_another_file, "a worker finds another file at .*OUTPUT must be a folder that this machine and"),
        (alter, "is not the input that its parts were cut from"),
    ],
)
async def test_a_worker_that_does_not_see_the_same_file_is_told_about_and_nothing_is_left(
    services: Services, tmp_path: Path, do: Callable[[Any], object], told: str
) -> None:
    engine = Watched(At("check_one_part", 1, do))
    with pytest.raises(UsageError, match=told):
        await accept_file(beside(services, engine), tmp_path / "customers.csv", **HOW)
    await nothing_left(services, batches=1)


async def test_when_the_engine_is_lost_the_batch_is_named_that_resume_goes_on_with(
    services: Services, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    def lose(_: Any) -> None:
        raise EngineUnavailable("the scheduler is gone")

    with pytest.raises(EngineUnavailable, match=r"the scheduler is gone.*`batch-issuer resume 2026") as lost:
        await accept_file(
            beside(services, Watched(At("plan_unit", 2, lose))), tmp_path / "customers.csv", **HOW
        )
    batch = await only_batch(services)
    assert batch.batch in str(lost.value)
    assert await finish(beside(services, Elsewhere()), batch) == undisturbed


async def test_what_travels_grows_with_parts_and_groups_and_never_with_rows(
    services: Services, tmp_path: Path
) -> None:
    weights = []

    class Weighing(Elsewhere):
        async def run(self, work: Any, item: Any, **_how: Any) -> Any:
            result = await super().run(work, item)
            weights.append(len(pickle.dumps(item)) + len(pickle.dumps(result)))
            return result

    large = tmp_path / "large.csv"
    rows = "".join(f"{n % 30_000 + 1},{BADGES[n % 3]}\n" for n in range(50_000))
    large.write_text(f"customer_id,badge_meta_id\n{rows}")
    sizes = Sizes(part_bytes=300_000, unit_rows=10_000, slice_bytes=1_000_000)
    weighed = replace(beside(services, Weighing()), sizes=sizes)
    accepted = await accept_file(weighed, large, again=True)
    assert accepted.batch.rows == 50_000
    assert len(weights) >= 15
    assert sum(weights) < 100_000
