"""What a page finds of rows is what the reconciliation says of them, at any moment."""

import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from batch_issuer.acceptance import input_options
from batch_issuer.assembly import Services
from batch_issuer.batch.ids import BatchId
from batch_issuer.batch.outcomes import Outcome
from batch_issuer.intake import open_source
from batch_issuer.intake.copying import copy_in
from batch_issuer.ledger import BatchStage
from batch_issuer.ledger.batches import find_batch, update_batch
from batch_issuer.reports import FoundRows, RowFilter, Summary, find_rows
from batch_issuer.sandbox import Scenario
from tests.pipeline.world import World, open_world, read_csv
from tests.reports.test_both_ways import HALF, rows_of

Lines = list[dict[str, str]]


async def search(world: World, summary: Summary, wanted: RowFilter, *, copy: bool = True) -> FoundRows:
    async def work(services: Services) -> FoundRows:
        batch = await services.ledger.read(find_batch, summary.batch.batch)
        assert batch is not None
        source = open_source(copy_in(summary.folder), input_options(batch.settings), name="in.csv")
        with services.ledger.snapshot() as connection:
            return find_rows(connection, batch, source if copy else None, wanted)

    return await world.run(work)


async def all_rows(world: World, summary: Summary, wanted: RowFilter, *, limit: int) -> Lines:
    """Turn the pages to the end."""
    found: Lines = []
    after: int | None = 0
    while after is not None:
        page = await search(world, summary, replace(wanted, after=after, limit=limit))
        assert len(page.rows) <= limit
        found += [dict(row) for row in page.rows]
        after = page.next_after
    return found


def as_line(row: Mapping[str, str]) -> str:
    """Write a row as the file has it."""
    written = io.StringIO()
    csv.writer(written).writerow(row.values())
    return written.getvalue()


async def mixed(world: World, *, wait: float) -> Summary:
    """Issue a file in which nearly every outcome comes up."""
    first = world.write(rows_of(60), "first.csv")
    await world.issue(first, on_invalid="skip", max_invalid=HALF)
    return await world.issue(world.write(rows_of(200)), wait=wait, on_invalid="skip", max_invalid=HALF)


@pytest.mark.parametrize("delay", [0, 5, None])
async def test_pages_of_rows_are_the_lines_of_the_reconciliation(tmp_path: Path, delay: float | None) -> None:
    share = 0.15 if delay else 0.0
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
        summary = await mixed(world, wait=60)
        lines = read_csv(summary.folder / "reconciliation.csv")
        assert await all_rows(world, summary, RowFilter(), limit=61) == lines
        for outcome in Outcome:
            wanted = RowFilter(outcomes=frozenset({outcome}))
            own = [line for line in lines if line["outcome"] == outcome]
            assert await all_rows(world, summary, wanted, limit=29) == own
        several = frozenset({Outcome.INVALID, Outcome.DUPLICATE, Outcome.PENDING})
        own = [line for line in lines if line["outcome"] in several]
        assert await all_rows(world, summary, RowFilter(outcomes=several), limit=31) == own
        for text in (
            "70000001",
            "REPEATS ROW",
            "x,",
            lines[40]["request_id"],
            "no such thing",
            '"',
            "20260302",
        ):
            own = [line for line in lines if text.replace('"', '""').lower() in as_line(line).lower()]
            assert await all_rows(world, summary, RowFilter(text=f" {text} "), limit=41) == own


async def test_rows_are_found_while_nothing_of_them_is_sent(tmp_path: Path) -> None:
    async with open_world(tmp_path, chunk_size=3) as world:
        world.sandbox.will_answer(403)
        summary = await world.issue(world.write(rows_of(300)), on_invalid="skip", max_invalid=HALF)
        lines = read_csv(summary.folder / "reconciliation.csv")
        assert {"not_sent", "invalid", "duplicate"} <= {line["outcome"] for line in lines}
        assert await all_rows(world, summary, RowFilter(), limit=50) == lines


async def test_invalid_rows_are_found_without_their_file_and_say_what_is_wrong(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        summary = await mixed(world, wait=0)
        wanted = RowFilter(outcomes=frozenset({Outcome.INVALID}))
        whole = await search(world, summary, wanted)
        found = await search(world, summary, wanted, copy=False)
    assert [row["error_message"] for row in found.rows] == [row["error_message"] for row in whole.rows]
    assert {row["customer_id"] for row in found.rows} == {""}


async def test_a_batch_that_is_still_recorded_or_was_pruned_has_no_rows_to_show(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        summary = await mixed(world, wait=0)
        assert (await search(world, summary, RowFilter())).rows
        changes: list[dict[str, object]] = [
            {"stage": BatchStage.RECORDING},
            {"stage": BatchStage.ACCEPTED, "pruned_at": "2026"},
        ]
        for facts in changes:
            await world.run(partial(change, batch=summary.batch.batch, facts=facts))
            assert await search(world, summary, RowFilter()) == FoundRows()


async def change(services: Services, *, batch: BatchId, facts: dict[str, object]) -> None:
    await services.ledger.write(update_batch, batch, facts)
