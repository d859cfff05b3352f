"""The whole pipeline, the same on every database that can hold a ledger, and for many who share one."""

import asyncio
import math
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import Connection, create_engine, text

from batch_issuer.assembly import Services
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.cli.sandbox import checker_settings
from batch_issuer.errors import AlreadyIssued, BatchInUse, BatchTakenOver, ReportsNotWritten
from batch_issuer.ledger.batches import find_batch, list_batches
from batch_issuer.pipeline import decide, retry, show
from batch_issuer.reports import Summary, reports_lock
from batch_issuer.sandbox import Scenario
from tests.pipeline.world import OpenHere, World, customers, outcomes, reconciliation


def sent(world: World) -> Counter[int]:
    return Counter(customer for record in world.sandbox.requests for customer in record.customers)


async def test_a_file_goes_all_the_way_from_checking_to_issued_ids(open_here: OpenHere) -> None:
    async with open_here(Scenario(decide_after_seconds=3, holder_share=0.2, omit_share=0.2)) as world:
        file = world.write(customers(40, badges=3) + customers(2, badges=3).split("\n", 1)[1] + "x,y\n")
        first = await world.issue(file, on_invalid="skip")
        assert outcomes(first) == {"pending": 40, "duplicate": 2, "invalid": 1}
        world.time.instant = world.time.instant.replace(hour=23)
        followed = await world.refresh(wait=60)
        shown = await world.run(lambda services: show(services, None))
    assert set(outcomes(followed)) == {"issued", "issue_failed", "unaccounted", "duplicate", "invalid"}
    assert dict(shown.counts) == outcomes(followed)
    assert [int(line["row"]) for line in reconciliation(followed)] == list(range(2, 45))


async def _known_requests(services: Services) -> float:
    def look(connection: Connection) -> float:
        if connection.dialect.name != "postgresql":
            return math.inf  # SQLite goes by its indexes alone
        found: float = connection.execute(
            text("SELECT reltuples FROM pg_class WHERE relname = 'requests'")
        ).scalar_one()
        return found

    return await services.ledger.read(look)


async def test_a_server_learns_how_many_requests_came_in_before_the_next_ones_are_asked_for(
    open_here: OpenHere,
) -> None:
    async with open_here(chunk_size=1, rate=0) as world:
        await world.issue(world.write(customers(1_000)))
        assert await world.run(_known_requests) >= 1_000


async def test_what_was_lost_on_its_way_is_looked_up_taken_over_or_sent_again(open_here: OpenHere) -> None:
    async with open_here() as world:
        world.sandbox.will_drop_the_connection(after_accepting=True)
        world.sandbox.will_drop_the_connection(after_accepting=False)
        summary = await world.issue(world.write(customers(9)), wait=0)
        assert set(sent(world).values()) == {1}
    assert outcomes(summary) == {"pending": 9}


async def test_a_request_that_is_too_large_is_halved(open_here: OpenHere) -> None:
    async with open_here(Scenario(max_customers=2), chunk_size=8) as world:
        summary = await world.issue(world.write(customers(8)))
        assert set(sent(world).values()) == {1}
    assert outcomes(summary) == {"pending": 8}


async def test_a_checker_decides_and_what_failed_is_retried(open_here: OpenHere) -> None:
    async with open_here() as world:
        world.overrides |= checker_settings(world.sandbox)
        world.sandbox.will_answer(400)
        summary = await world.issue(world.write(customers(6)))
        assert outcomes(summary) == {"failed": 3, "pending": 3}
        batch = summary.batch.batch
        retried = await world.run(lambda services: retry(services, batch))
        assert outcomes(retried) == {"pending": 6}
        await world.run(lambda services: decide(services, batch, approve=True, message="checked"))
        assert outcomes(await world.refresh(wait=30)) == {"issued": 6}


async def test_of_files_issued_at_the_same_moment_each_customer_is_sent_once(open_here: OpenHere) -> None:
    async with open_here(rate=0) as world:
        files = [
            world.write(customers(60, badges=3, first=700_000_001 + 21 * n), f"{n}.csv") for n in (0, 1, 2)
        ]
        summaries = await asyncio.gather(*(world.issue(file) for file in files))
        assert set(sent(world).values()) == {1}
        assert len(sent(world)) == 102
        again = [await world.refresh(summary.batch.batch) for summary in summaries]
    told = Counter[str]()
    for summary in again:
        told.update(outcomes(summary))
    assert told == {"pending": 102, "already_issued": 78}


async def test_of_the_same_content_issued_at_the_same_moment_one_is_refused(open_here: OpenHere) -> None:
    async with open_here() as world:
        file = world.write(customers(30))
        ended = await asyncio.gather(*(world.issue(file) for _ in range(3)), return_exceptions=True)
        assert sum(isinstance(end, Summary) for end in ended) == 1
        assert all(isinstance(end, Summary | AlreadyIssued | BatchInUse) for end in ended), ended
        assert set(sent(world).values()) == {1}
        assert sum(sent(world).values()) == 30


async def test_a_batch_that_somebody_sends_can_be_read_but_not_sent_by_others(open_here: OpenHere) -> None:
    async with open_here() as world:
        world.sandbox.will_answer(400)
        batch = (await world.issue(world.write(customers(6)))).batch.batch

        async def beside(services: Services) -> None:
            async with services.lease(batch):
                for work in (world.resume(batch), world.run(lambda other: retry(other, batch))):
                    with pytest.raises(BatchInUse) as refused:
                        await work
                    assert refused.value.exit_code is ExitCode.GUARDED
                assert outcomes(await world.refresh(batch)) == {"failed": 3, "pending": 3}

        await world.run(beside)


class TakenOverAtTheEnd:
    """Lets another process have the batch once all of its requests are at rest."""

    def __init__(self, ledger_url: str, requests: int) -> None:
        self._url = ledger_url.replace("postgresql:", "postgresql+psycopg:")
        self._left = requests

    def rows_checked(self, _count: int) -> None: ...

    def requests_planned(self, _count: int) -> None: ...

    def request_at_rest(self) -> None:
        self._left -= 1
        if not self._left:
            engine = create_engine(self._url)
            with engine.begin() as connection:
                connection.exec_driver_sql("update leases set owner = 'theirs'")
            engine.dispose()


async def test_whoever_lost_the_batch_while_it_sent_writes_nothing_over_the_other(
    open_here: OpenHere,
) -> None:
    async with open_here() as world:
        world.progress = TakenOverAtTheEnd(world.settings().ledger_url, requests=2)
        with pytest.raises(BatchTakenOver):
            await world.issue(world.write(customers(6)))
        (batch,) = await world.run(lambda services: services.ledger.read(list_batches))
        assert (batch.exit_code, batch.finished_at) == (None, "")
        assert not (world.output / batch.batch / "reconciliation.csv").exists()
        assert outcomes(await world.refresh()) == {"pending": 6}


async def test_the_files_of_a_batch_are_written_by_one_process_at_a_time(open_here: OpenHere) -> None:
    async with open_here() as world:
        summary = await world.issue(world.write(customers(3)))
        async with reports_lock(summary.folder, summary.batch.batch, world.time.clock()):
            before = world.time.instant
            with pytest.raises(ReportsNotWritten, match="another process writes them") as busy:
                await world.refresh()
            assert timedelta(minutes=4) < world.time.instant - before < timedelta(minutes=6)
        assert busy.value.exit_code is ExitCode.NOT_FINISHED
        assert outcomes(await world.refresh()) == {"pending": 3}


async def test_what_a_database_may_have_forgotten_is_looked_up_before_it_is_sent(open_here: OpenHere) -> None:
    async with open_here() as world:
        batch = (await world.issue(world.write(customers(9)))).batch.batch

        def forget(connection: Connection) -> None:
            connection.exec_driver_sql("delete from workflow_requests")
            connection.exec_driver_sql("delete from attempts")
            connection.exec_driver_sql(
                "update requests set stage = 'not_sent', workflow_request_id = '', state = '', attempts = 0"
                " where chunk > 1"
            )
            connection.exec_driver_sql("update batches set timeline = timeline - 1")

        await world.run(lambda services: services.ledger.write(forget))
        assert outcomes(await world.resume(batch)) == {"pending": 9}
        assert set(sent(world).values()) == {1}
        known = await world.run(lambda services: services.ledger.read(find_batch, batch))
        assert known is not None
        assert known.timeline == await world.run(timeline)


async def timeline(services: Services) -> int:
    return services.ledger.timeline
