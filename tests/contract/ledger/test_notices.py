"""Notices and what waits for a checker, as each database keeps them."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Connection, update

from batch_issuer.batch.ids import BatchId
from batch_issuer.ledger import BatchStage, Ledger, tables
from batch_issuer.ledger.batches import insert_batch, update_batch
from batch_issuer.ledger.notices import (
    StoredNotice,
    note_told,
    notices_made,
    store_notices,
    untold_notices,
)
from batch_issuer.ledger.waiting import Place, batches_with_news, unfinished_at, waiting_batches
from tests.conftest import BATCH, KNOWN, START, make_batch, make_request, plan

HOUR = timedelta(hours=1)
HERE = Place(base_url="https://api.example.com", org_id=KNOWN.org_id)
NOTICE = StoredNotice(
    channel="ops",
    key="failed/a/3",
    kind="failed",
    about="a",
    figure=3,
    subject="3 rows failed",
    body="look",
    attachment="",
    made_at="2026-03-02T04:45:00Z",
    until="2026-03-09T04:45:00Z",
)


async def test_a_notice_is_kept_once_for_each_channel_until_it_is_told(ledger: Ledger) -> None:
    other = replace(NOTICE, channel="mail")
    for _ in range(2):
        await ledger.write(store_notices, [NOTICE, other, replace(NOTICE, subject="another word")])
    assert await ledger.read(untold_notices, ["ops", "mail"], START) == [other, NOTICE]
    await ledger.write(note_told, NOTICE, "2026-03-02T04:46:00Z")
    await ledger.write(store_notices, [NOTICE])

    assert await ledger.read(untold_notices, ["ops", "mail"], START) == [other]
    assert await ledger.read(untold_notices, ["ops"], START) == []
    assert await ledger.read(untold_notices, ["mail"], START + timedelta(days=7)) == []


async def test_notices_are_found_by_what_they_are_about_and_by_their_time(ledger: Ledger) -> None:
    late = replace(NOTICE, key="digest/2026-03-03", kind="digest", about="", made_at="2026-03-03T04:45:00Z")
    await ledger.write(store_notices, [NOTICE, replace(NOTICE, channel="mail"), late])

    async def keys(about: list[str], hours: float) -> list[str]:
        made = await ledger.read(notices_made, about=about, since=START + hours * HOUR)
        return sorted(one.key for one in made)

    assert await keys(["a"], 48) == ["failed/a/3"]
    assert await keys(["b"], 1) == ["digest/2026-03-03"]
    assert await keys([], -1) == ["digest/2026-03-03", "failed/a/3"]
    assert await keys([], 48) == []


def submit(connection: Connection, /, chunk: int, *, at: str, **facts: object) -> None:
    known = tables.requests
    values = {
        "stage": "submitted",
        "state": "AdminTask",
        "outcome": "pending",
        "submitted_at": at,
        "updated_at": at,
    }
    connection.execute(update(known).where(known.c.chunk == chunk).values({**values, **facts}))


async def test_what_waits_is_counted_by_batch_from_its_oldest_request(ledger: Ledger) -> None:
    await plan(
        ledger, [make_request(1, 2, 3, chunk=1), make_request(4, 5, chunk=2), make_request(6, chunk=3)]
    )
    await ledger.write(submit, 1, at="2026-03-02T05:00:00Z")
    await ledger.write(submit, 2, at="2026-03-02T04:50:00Z")
    await ledger.write(submit, 3, at="2026-03-02T04:46:00Z", is_final=1, outcome="rejected")
    (waiting,) = await ledger.read(waiting_batches, before=START + HOUR, place=HERE)

    assert (waiting.batch, waiting.requests, waiting.rows) == (BATCH, 2, 5)
    assert waiting.since == START + timedelta(minutes=5)
    (early,) = await ledger.read(waiting_batches, before=START + timedelta(minutes=6))
    assert (early.requests, early.rows) == (1, 2)
    elsewhere = replace(HERE, org_id="another")
    assert await ledger.read(waiting_batches, before=START + HOUR, place=elsewhere) == []


async def test_a_day_knows_its_batches_and_what_is_not_finished(ledger: Ledger) -> None:
    cut = replace(make_batch(stage=BatchStage.RECORDING), batch=BatchId("20260302-050000-00000a"))
    refused = replace(make_batch(stage=BatchStage.REFUSED), batch=BatchId("20260302-050000-00000b"))
    await plan(ledger, [make_request(chunk=1)])
    for batch in (cut, refused):
        await ledger.write(insert_batch, batch)

    known = await ledger.read(batches_with_news, START - HOUR, HERE)
    assert [batch.batch for batch in known] == [BATCH, refused.batch]
    assert await ledger.read(batches_with_news, START + HOUR, HERE) == []
    await ledger.write(update_batch, refused.batch, {"finished_at": "2026-03-02T09:00:00Z"})
    (looked_at,) = await ledger.read(batches_with_news, START + HOUR, HERE)
    assert looked_at.batch == refused.batch
    assert await ledger.read(unfinished_at, HERE) == [BATCH, cut.batch]
    await ledger.write(submit, 1, at="2026-03-02T05:00:00Z")
    assert await ledger.read(unfinished_at) == [cut.batch]
