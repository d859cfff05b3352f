"""Requests and batches a page at a time, as each database keeps them."""

from dataclasses import replace

import pytest

from batch_issuer.batch.ids import BatchId, RequestId
from batch_issuer.batch.stages import Stage
from batch_issuer.ledger import Ledger
from batch_issuer.ledger.batch_pages import find_batches
from batch_issuer.ledger.batches import insert_batch
from batch_issuer.ledger.leases import find_worker
from batch_issuer.ledger.request_pages import RequestFilter, RequestPlace, count_by_state, find_requests
from batch_issuer.ledger.transitions import apply_transitions
from batch_issuer.processes import this_process
from tests.conftest import BATCH, START, make_batch, make_request, make_requests, plan
from tests.contract.ledger.test_transitions import accepted, said, sending


async def test_requests_are_turned_in_their_order_halves_and_later_ones_included(ledger: Ledger) -> None:
    first, *others = make_requests(5)
    halves = [
        replace(make_request(chunk=1, request_id=f"half-{half}"), halvings=half) for half in ("0", "1", "01")
    ]
    retried = replace(make_request(chunk=1, request_id="later"), generation=1)
    await plan(ledger, [first, *halves, retried, *others])
    whole = await ledger.read(find_requests, BATCH, RequestFilter())
    assert whole.next_after is None
    assert [(one.chunk, one.halvings, one.generation) for one in whole.requests] == [
        (1, "", 0),
        (1, "", 1),
        (1, "0", 0),
        (1, "01", 0),
        (1, "1", 0),
        *((chunk, "", 0) for chunk in range(2, 6)),
    ]
    turned: list[RequestId] = []
    after: RequestPlace | None = None
    for _ in range(5):
        page = await ledger.read(find_requests, BATCH, RequestFilter(after=after, limit=2))
        turned += [one.request_id for one in page.requests]
        after = page.next_after
    assert after is None
    assert turned == [one.request_id for one in whole.requests]


async def test_requests_are_found_by_state_and_by_what_waits(ledger: Ledger) -> None:
    await plan(ledger, make_requests(3))
    await ledger.write(apply_transitions, [sending(), accepted(said("AdminTask"))])
    assert await ledger.read(count_by_state, BATCH) == {
        (Stage.NOT_SENT, ""): 2,
        (Stage.SUBMITTED, "AdminTask"): 1,
    }
    waiting = await ledger.read(find_requests, BATCH, RequestFilter(is_waiting=True))
    assert [one.chunk for one in waiting.requests] == [1]
    unsent = await ledger.read(find_requests, BATCH, RequestFilter(stages=[(Stage.NOT_SENT, "")]))
    assert [one.chunk for one in unsent.requests] == [2, 3]
    await ledger.write(apply_transitions, [said("approved")])
    assert (await ledger.read(find_requests, BATCH, RequestFilter(is_waiting=True))).requests == []


@pytest.mark.parametrize("text", ["1.0.2", "7..0", "999999999.0101.1"])
def test_a_place_is_read_as_it_was_written(text: str) -> None:
    assert str(RequestPlace.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "1", "1.2.3", "x..0", "-1..0", "1..", "9999999999..0", "٣..0", "1..0.0"]
)
def test_what_is_no_place_is_none(text: str) -> None:
    assert RequestPlace.parse(text) is None


async def test_batches_are_found_by_what_people_call_them(ledger: Ledger) -> None:
    named = {
        "20260302-044500-00000a": "Spring 100%",
        "20260302-044501-00000b": "SPRING_sale",
        "20260302-044502-00000c": "x",
    }
    for batch, name in named.items():
        await ledger.write(
            insert_batch, replace(make_batch(), batch=BatchId(batch), name=name, issued_by="mia")
        )

    async def found(text: str) -> list[str]:
        page = await ledger.read(find_batches, text=text, limit=10)
        return [batch.name for batch in page.batches]

    assert await found("spring") == ["SPRING_sale", "Spring 100%"]
    assert await found("100%") == ["Spring 100%"]
    assert await found("g_s") == ["SPRING_sale"]
    assert await found("00000c") == ["x"]
    assert await found("%") == ["Spring 100%"]
    assert len(await found("MIA")) == 3


async def test_who_works_on_a_batch_is_seen_without_taking_anything(ledger: Ledger) -> None:
    assert await ledger.read(find_worker, BATCH, START) is None
    await plan(ledger, make_requests(1))  # takes the lease
    assert await ledger.read(find_worker, BATCH, START) == this_process()
    later = START.replace(hour=23)
    assert await ledger.read(find_worker, BATCH, later) is None
