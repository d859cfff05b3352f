"""The history a page at a time, as each database keeps it."""

from dataclasses import replace

from batch_issuer.batch.ids import BatchId
from batch_issuer.ledger import BatchStage, Ledger
from batch_issuer.ledger.batch_pages import find_batches
from batch_issuer.ledger.batches import insert_batch
from tests.conftest import make_batch


async def fill(ledger: Ledger, count: int) -> list[BatchId]:
    """Record batches of two users by turns; every third was refused. Return them, the latest first."""
    made = []
    for n in range(count):
        batch = replace(
            make_batch(stage=BatchStage.ACCEPTED if n % 3 else BatchStage.REFUSED),
            batch=BatchId(f"20260302-0445{n:02d}-{n:06x}"),
            name=f"100% of {n}",
            issued_by=("ada", "bob")[n % 2],
        )
        await ledger.write(insert_batch, batch)
        made.append(batch.batch)
    return made[::-1]


async def test_pages_hold_each_batch_once_in_their_order(ledger: Ledger) -> None:
    made = await fill(ledger, 7)
    seen: list[BatchId] = []
    after = ""
    while True:
        page = await ledger.read(find_batches, after=after, limit=3)
        seen += [batch.batch for batch in page.batches]
        after = page.next
        if not after:
            break
    assert seen == made


async def test_the_last_page_says_that_it_is_the_last_even_if_it_is_full(ledger: Ledger) -> None:
    await fill(ledger, 6)
    first = await ledger.read(find_batches, limit=3)
    assert (await ledger.read(find_batches, after=first.next, limit=3)).next == ""


async def test_batches_are_chosen_by_stage_user_and_name(ledger: Ledger) -> None:
    made = await fill(ledger, 6)
    refused = await ledger.read(find_batches, stage=BatchStage.REFUSED, limit=9)
    assert [batch.batch for batch in refused.batches] == [made[2], made[5]]
    of_bob = await ledger.read(find_batches, issued_by="bob", limit=9)
    assert [batch.batch for batch in of_bob.batches] == [made[0], made[2], made[4]]
    named = await ledger.read(find_batches, text="100% OF 4", limit=9)
    assert [batch.batch for batch in named.batches] == [made[1]]
    assert not (await ledger.read(find_batches, text="100_ of 4", limit=9)).batches
