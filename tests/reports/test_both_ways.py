"""Lines that are written many at once are the very lines that are written row by row."""

from collections import Counter
from itertools import product
from pathlib import Path

import pytest

from batch_issuer.acceptance import input_options
from batch_issuer.assembly import Services
from batch_issuer.batch.outcomes import Outcome
from batch_issuer.intake import open_source
from batch_issuer.intake.copying import copy_in
from batch_issuer.ledger.batches import find_batch
from batch_issuer.ledger.request_columns import iterate_request_columns
from batch_issuer.planning import MaxInvalid
from batch_issuer.reports import Summary, summarise
from batch_issuer.reports.accounts import Accounts
from batch_issuer.reports.row_map import RowMap
from batch_issuer.reports.row_writing import write_rows
from batch_issuer.sandbox import Scenario
from tests.pipeline.world import BADGES, World, open_world
from tests.reports.row_by_row import lines_row_by_row

HALF = MaxInvalid.parse("50%")


def rows_of(count: int) -> str:
    """Rows of a few badges, among them blank, wrong, repeated and repaired ones."""
    odd = {5: "", 11: "x,y", 17: ",,,", 23: f"700000001,{BADGES[0]}", 29: f"'8,{BADGES[1]}"}
    lines = (
        odd.get(number % 37, f"{700_000_000 + number},{BADGES[number % 4]}") for number in range(1, count)
    )
    return "customer_id,badge_meta_id,note\n" + "".join(f"{line}\n" for line in lines)


async def row_by_row(world: World, summary: Summary) -> str:
    """Find out what became of a batch the slow way."""

    async def work(services: Services) -> str:
        batch = await services.ledger.read(find_batch, summary.batch.batch)
        assert batch is not None
        source = open_source(copy_in(summary.folder), input_options(batch.settings), name="in.csv")
        with services.ledger.snapshot() as connection:
            return "".join(lines_row_by_row(connection, batch.batch, source))

    return await world.run(work)


async def at_once(world: World, summary: Summary, *, rows_at_once: int, kept_requests: int) -> str:
    """Find it out many rows at once."""

    async def work(services: Services) -> str:
        batch = await services.ledger.read(find_batch, summary.batch.batch)
        assert batch is not None
        source = open_source(copy_in(summary.folder), input_options(batch.settings), name="in.csv")
        folder = summary.folder / "again"
        folder.mkdir(exist_ok=True)
        with services.ledger.snapshot() as connection:
            carried = RowMap(connection, kept_requests=kept_requests)
            for requests, rows in iterate_request_columns(connection, batch.batch):
                carried.add(requests, rows)
            accounts = Accounts(connection, batch.batch, carried, rows_at_once=rows_at_once)
            assert write_rows(accounts, source, folder, count=batch.rows).outcomes == counted(summary)
        for name in ("failed.csv", "rejects.csv"):
            ours, again = summary.folder / name, folder / name
            assert ours.exists() == again.exists()
            assert not ours.exists() or ours.read_bytes() == again.read_bytes()
        return lines_in(folder)

    return await world.run(work)


async def shown_figures(world: World, summary: Summary) -> Summary:
    """Count the outcomes without writing a file."""

    async def work(services: Services) -> Summary:
        batch = await services.ledger.read(find_batch, summary.batch.batch)
        assert batch is not None
        return await services.ledger.read(summarise, batch, summary.folder)

    return await world.run(work)


def lines_in(folder: Path) -> str:
    written = (folder / "reconciliation.csv").read_bytes().decode("utf-8-sig")
    return written.partition("\r\n")[2]


def counted(summary: Summary) -> Counter[Outcome]:
    return Counter({outcome: n for outcome, n in summary.counts.items() if n})


@pytest.mark.parametrize("delay", [0, 5, None])
async def test_each_outcome_is_written_alike_one_by_one_and_many_at_once(
    tmp_path: Path, delay: float | None
) -> None:
    share = 0.15 if delay else 0.0  # the checker's, where there is one that decides later
    scenario = Scenario(
        seed=3,
        decide_after_seconds=delay,
        fail_share=0.15,
        holder_share=0.1,
        omit_share=0.1,
        reject_share=share,
        leave_share=share,
    )
    async with open_world(tmp_path, scenario, chunk_size=7) as world:
        first = world.write(rows_of(60), "first.csv")
        await world.issue(first, on_invalid="skip", max_invalid=HALF)
        file = world.write(rows_of(400))
        summary = await world.issue(file, wait=60, on_invalid="skip", max_invalid=HALF)
        one_by_one = await row_by_row(world, summary)
        for rows_at_once, kept_requests in product((7, 100, 10_000), (0, 10_000)):
            assert one_by_one == await at_once(
                world, summary, rows_at_once=rows_at_once, kept_requests=kept_requests
            )
        shown = await shown_figures(world, summary)
    assert lines_in(summary.folder) == one_by_one
    assert {**shown.as_json(), "message": ""} == {**summary.as_json(), "message": ""}
    assert len(counted(summary)) > 3


async def test_what_was_not_sent_is_written_alike(tmp_path: Path) -> None:
    async with open_world(tmp_path, chunk_size=3) as world:
        world.sandbox.will_answer(403)
        summary = await world.issue(world.write(rows_of(700)), on_invalid="skip", max_invalid=HALF)
        assert summary.counts[Outcome.NOT_SENT] > 400
        assert lines_in(summary.folder) == await row_by_row(world, summary)
    page = (summary.folder / "report.html").read_text()
    rows, _, _ = page.partition("Rows that deserve a look")[2].partition("<h2>")
    assert rows.count('<tr><td class="number">') == 200
