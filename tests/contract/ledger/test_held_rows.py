"""Held rows in the ledger: who may hold, what is recorded, and who carries the customers later."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from batch_issuer.batch.holding import HeldRows
from batch_issuer.batch.ids import BatchId, RequestId
from batch_issuer.batch.requests import Group, IssueRequest
from batch_issuer.ledger import Batch, BatchStage, Ledger
from batch_issuer.ledger.batches import delete_plan, insert_batch
from batch_issuer.ledger.held_rows import (
    guard_mark,
    insert_held_rows,
    iterate_carriers,
    iterate_others,
    load_held_rows,
)
from batch_issuer.ledger.requests import insert_requests, replace_request, retire_request
from tests.conftest import BADGE, BATCH, make_batch, make_request, make_requests, plan

NEW = replace(make_batch(), batch=BatchId("20260302-050000-fedcba"))
OTHER_GROUP = Group(badge_meta_id=BADGE, owner_type="Loyalty", reference_id="r")


async def others(
    ledger: Ledger, groups: Sequence[Group] = (Group(badge_meta_id=BADGE),), batch: Batch = NEW
) -> list[str]:
    return await ledger.read(lambda c: [other.request_id for other in iterate_others(c, batch, groups)])


async def record(ledger: Ledger, batch: Batch, *requests: IssueRequest) -> None:
    await ledger.write(insert_batch, batch)
    await ledger.write(insert_requests, batch.batch, requests)


async def carried(ledger: Ledger, *holders: RequestId) -> dict[str, list[tuple[str, list[int]]]]:
    found: dict[str, list[tuple[str, list[int]]]] = {}
    for carrier in await ledger.read(lambda c: list(iterate_carriers(c, holders))):
        request = carrier.request
        told = (str(request.record.request_id), request.customers.tolist())
        found.setdefault(carrier.holder, []).append(told)
        assert carrier.batch == BATCH
    return found


async def test_only_requests_of_the_very_group_are_looked_at(ledger: Ledger) -> None:
    one, two = make_request(chunk=1), make_request(chunk=2, group=OTHER_GROUP)
    await plan(ledger, [one, two])
    assert await others(ledger) == [one.request_id]
    assert await others(ledger, [OTHER_GROUP]) == [two.request_id]
    assert await others(ledger, [Group(badge_meta_id="f" * 24)]) == []


async def test_they_come_group_by_group_and_the_earliest_batch_first(ledger: Ledger) -> None:
    later = replace(make_batch(), batch=BatchId("20260302-044501-abcdef"))
    groups = [Group(badge_meta_id=BADGE), OTHER_GROUP]
    late = [make_request(chunk=n, request_id=f"late-{n}", group=groups[n % 2]) for n in (1, 2, 3, 4)]
    await record(ledger, later, *late)
    early = [make_request(chunk=n, request_id=f"early-{n}", group=groups[n % 2]) for n in (1, 2)]
    await plan(ledger, early)
    assert await others(ledger, groups) == ["early-2", "late-2", "late-4", "early-1", "late-1", "late-3"]


async def test_hundreds_of_groups_are_read_in_several_queries(ledger: Ledger) -> None:
    groups = [Group(badge_meta_id=f"{n:024x}") for n in range(250)]
    planned = [make_request(chunk=n + 1, group=group) for n, group in enumerate(groups)]
    await plan(ledger, planned)
    assert await others(ledger, groups) == [request.request_id for request in planned]


@pytest.mark.parametrize(
    "batch",
    [
        replace(NEW, org_id="another"),
        replace(NEW, base_url="https://other.example.com"),
        replace(NEW, batch=BATCH),
    ],
    ids=["another organisation", "another server", "the batch itself"],
)
async def test_what_is_not_of_another_batch_of_this_server_and_organisation_holds_nothing(
    ledger: Ledger, batch: Batch
) -> None:
    await plan(ledger, make_requests(2))
    assert await others(ledger, batch=batch) == []


@pytest.mark.parametrize("stage", [BatchStage.RECORDING, BatchStage.REFUSED])
async def test_a_batch_that_is_not_accepted_holds_nothing(ledger: Ledger, stage: BatchStage) -> None:
    await record(ledger, make_batch(stage=stage), make_request())
    assert await others(ledger) == []


async def test_held_rows_come_back_as_they_were_over_several_blocks(ledger: Ledger) -> None:
    count = 250_000
    held = HeldRows(
        rows=np.arange(2, count + 2, dtype=np.uint32),
        customers=np.arange(count, dtype=np.int64) + 2**62,
        holders=(np.arange(count) % 7 // 2).astype(np.int32),
        request_ids=tuple(RequestId(f"r-{n}") for n in range(4)),
    )
    await ledger.write(insert_batch, make_batch())
    await ledger.write(insert_held_rows, BATCH, held)
    found = await ledger.read(load_held_rows, BATCH)
    assert (found.rows == held.rows).all()
    assert (found.customers == held.customers).all()
    assert len(found.request_ids) == 4
    assert [found.request_ids[n] for n in found.holders[:9]] == [
        held.request_ids[n] for n in held.holders[:9]
    ]
    assert [found.request_ids[n] for n in found.holders[-9:]] == [
        held.request_ids[n] for n in held.holders[-9:]
    ]


async def test_a_batch_without_held_rows_has_none(ledger: Ledger) -> None:
    await plan(ledger, make_requests(1))
    assert len(await ledger.read(load_held_rows, BATCH)) == 0


async def test_a_request_carries_its_rows_until_others_take_them_over(ledger: Ledger) -> None:
    whole = make_request(1, 2, 3, 4)
    one, two = (
        make_request(1, 2, request_id="h0"),
        make_request(3, 4, request_id="h1"),
    )
    again = replace(make_request(3, 4, request_id="h1-again"), generation=1)
    await plan(ledger, [whole, make_request(chunk=2)])
    assert await carried(ledger, whole.request_id) == {whole.request_id: [(whole.request_id, [1, 2, 3, 4])]}
    await ledger.write(replace_request, BATCH, whole.request_id, [one, two])
    await ledger.write(retire_request, BATCH, two.request_id, again)
    found = await carried(ledger, whole.request_id, two.request_id)
    assert sorted(found[whole.request_id]) == [("h0", [1, 2]), ("h1-again", [3, 4])]
    assert found[two.request_id] == [("h1-again", [3, 4])]


async def test_the_mark_changes_with_each_accepted_batch_and_each_replaced_request(ledger: Ledger) -> None:
    marks = [await ledger.read(guard_mark, NEW)]
    await record(ledger, replace(NEW, stage=BatchStage.RECORDING), make_request(request_id="new"))
    assert await ledger.read(guard_mark, NEW) == marks[0]
    await plan(ledger, [make_request()])
    marks.append(await ledger.read(guard_mark, NEW))
    await ledger.write(
        retire_request, BATCH, make_request().request_id, make_request(request_id="in its place")
    )
    marks.append(await ledger.read(guard_mark, NEW))
    assert len(set(marks)) == 3


async def test_a_plan_is_forgotten_a_few_requests_at_a_time(ledger: Ledger) -> None:
    await record(ledger, make_batch(stage=BatchStage.RECORDING), *make_requests(6_000))
    calls = 1
    while await ledger.write(delete_plan, BATCH):
        calls += 1
    assert calls == 3
    left = "select (select count(*) from requests) + (select count(*) from request_rows)"
    assert await ledger.read(lambda c: c.exec_driver_sql(left).scalar_one()) == 0
