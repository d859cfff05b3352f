"""Lines that are written many at once are the very lines that are written row by row."""

from collections import Counter
from pathlib import Path

import pytest

from batch_issuer.acceptance import input_options
from batch_issuer.assembly import Services
from batch_issuer.batch.outcomes import Outcome
from batch_issuer.intake import open_source
from batch_issuer.intake.copying import copy_in
from batch_issuer.ledger.batches import find_batch
from batch_issuer.planning import MaxInvalid
from batch_issuer.reports import Summary
from batch_issuer.reports.files import csv_line
from batch_issuer.reports.lines import Accounts
from batch_issuer.reports.row_files import reconciliation_line
from batch_issuer.sandbox import Scenario
from tests.pipeline.world import BADGES, World, open_world

EVERY = frozenset(Outcome)
UNIFORM = EVERY - {Outcome.ISSUE_FAILED, Outcome.UNACCOUNTED}
HALF = MaxInvalid.parse("50%")


def rows_of(count: int) -> str:
    """Rows of a few badges, among them blank, wrong, repeated and repaired ones."""
    odd = {5: "", 11: "x,y", 17: ",,,", 23: f"700000001,{BADGES[0]}", 29: f"'8,{BADGES[1]}"}
    lines = (
        odd.get(number % 37, f"{700_000_000 + number},{BADGES[number % 4]}") for number in range(1, count)
    )
    return "customer_id,badge_meta_id,note\n" + "".join(f"{line}\n" for line in lines)


async def lines_of(world: World, summary: Summary, plain: frozenset[Outcome]) -> tuple[str, Counter[Outcome]]:
    """Write the reconciliation of a batch with these outcomes taken many at once."""

    async def work(services: Services) -> tuple[str, Counter[Outcome]]:
        batch = await services.ledger.read(find_batch, summary.batch.batch)
        assert batch is not None
        source = open_source(copy_in(summary.folder), input_options(batch.settings), name="in.csv")
        text, outcomes = "", Counter[Outcome]()
        with services.ledger.snapshot() as connection:
            accounts = Accounts(connection, batch.batch)
            for block in source.blocks():
                accounted = accounts.account(block, plain)
                others = [
                    (row.row, csv_line(reconciliation_line(row, source.columns))) for row in accounted.others
                ]
                outcomes += Counter(row.outcome.outcome for row in accounted.others)
                if accounted.plain is None:
                    text += "".join(line for _, line in others)
                else:
                    text += accounted.plain.joined_with(others)
                    outcomes += accounted.plain.outcomes()
        return text, outcomes

    return await world.run(work)


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
        one_by_one = await lines_of(world, summary, frozenset())
        at_once = await lines_of(world, summary, UNIFORM)
    assert at_once == one_by_one
    written = (summary.folder / "reconciliation.csv").read_bytes().decode("utf-8-sig")
    assert written.partition("\r\n")[2] == one_by_one[0]
    assert one_by_one[1] == Counter({outcome: n for outcome, n in summary.counts.items() if n})
    assert len(one_by_one[1]) > 3


async def test_what_was_not_sent_is_written_alike(tmp_path: Path) -> None:
    async with open_world(tmp_path, chunk_size=3) as world:
        world.sandbox.will_answer(403)
        summary = await world.issue(world.write(rows_of(700)), on_invalid="skip", max_invalid=HALF)
        assert summary.counts[Outcome.NOT_SENT] > 400
        assert await lines_of(world, summary, UNIFORM) == await lines_of(world, summary, frozenset())
    page = (summary.folder / "report.html").read_text()
    rows, _, _ = page.partition("Rows that deserve a look")[2].partition("<h2>")
    assert rows.count('<tr><td class="number">') == 200
