"""The steps of a request: sent once, answered once, and final for good."""

from dataclasses import replace

import pytest

from batch_issuer.batch.ids import BatchId, RequestId, WorkflowRequestId
from batch_issuer.batch.outcomes import InnerAnswer, Outcome, Reply, ServerError, ServerRequest, settle
from batch_issuer.batch.stages import Stage
from batch_issuer.errors import LedgerUnavailable
from batch_issuer.ledger import Answered, Ledger, RequestRecord, RequestRows, Said, Sending, Transition
from batch_issuer.ledger.packing import unpack_replies
from batch_issuer.ledger.request_columns import iterate_request_columns, load_replies, load_request_columns
from batch_issuer.ledger.request_rows import iterate_request_rows
from batch_issuer.ledger.requests import (
    count_by_stage,
    open_requests,
)
from batch_issuer.ledger.transitions import apply_transitions, mark_interrupted
from batch_issuer.ledger.unsent import unsent_requests
from tests.conftest import BATCH, KEY, make_request, make_requests, plan, records_of

ONE = make_request().request_id
AT, LATER, LAST = "2026-03-02T04:45:00Z", "2026-03-02T04:46:00Z", "2026-03-02T04:47:00Z"
START = (0, "", 0)
TIMED_OUT = ServerError(message="no answer within 30 s (TimeoutError)")


def sending(attempt: int = 1, request_id: RequestId = ONE) -> Sending:
    return Sending(lease=KEY, request_id=request_id, attempt=attempt, at=AT)


def answered(stage: Stage, *, attempt: int = 1, error: ServerError = TIMED_OUT) -> Answered:
    return Answered(
        lease=KEY,
        request_id=ONE,
        attempt=attempt,
        sent_at=AT,
        at=LATER,
        stage=stage,
        http_status=504,
        error=error,
    )


def accepted(told: Said) -> Answered:
    """Say that the server has taken a request in, and what it says of it."""
    return Answered(
        lease=KEY,
        request_id=told.request_id,
        attempt=1,
        sent_at=AT,
        at=told.at,
        stage=Stage.SUBMITTED,
        http_status=200,
        said=told,
    )


def said(state: str, *replies: Reply, workflow: str = "w-1", at: str = LATER) -> Said:
    inner = InnerAnswer(status=200, has_data=True, error=None, replies=replies) if replies else None
    told = ServerRequest(
        workflow_request_id=WorkflowRequestId(workflow), request_id=ONE, state=state, inner=inner
    )
    return Said(request_id=ONE, at=at, said=told, settlement=settle(told))


def failed(workflow: str = "w-1") -> Said:
    """Say that the inner call was refused as a repeat of its request id."""
    error = ServerError(code="809", message="Request with same requestId is not allowed")
    inner = InnerAnswer(status=400, has_data=False, error=error)
    told = ServerRequest(
        workflow_request_id=WorkflowRequestId(workflow), request_id=ONE, state="failed", inner=inner
    )
    return Said(request_id=ONE, at=LATER, said=told, settlement=settle(told))


def issued(customer: int, issued_id: str) -> Reply:
    return Reply(customer_id=customer, issued_id=issued_id, error=None)


@pytest.fixture
async def planned(ledger: Ledger) -> Ledger:
    await plan(ledger, make_requests(3))
    return ledger


async def apply(ledger: Ledger, *steps: Transition) -> RequestRecord:
    await ledger.write(apply_transitions, steps)
    return await first(ledger)


async def first(ledger: Ledger) -> RequestRecord:
    return (await records_of(ledger))[0]


async def first_rows(ledger: Ledger) -> RequestRows:
    rows: list[RequestRows] = await ledger.read(lambda c: list(iterate_request_rows(c, BATCH)))
    return rows[0]


async def attempts_of(ledger: Ledger) -> list[tuple[object, ...]]:
    query = "select attempt, sent_at, answered_at, stage, http_status, error_message from attempts order by 1"
    return await ledger.read(lambda c: [tuple(row) for row in c.exec_driver_sql(query)])


async def test_what_is_planned_is_not_sent_and_comes_back_as_it_was(planned: Ledger) -> None:
    unsent = await planned.read(unsent_requests, BATCH, START, 10)
    assert [found.attempts for found in unsent] == [0, 0, 0]
    for request, original in zip((found.request for found in unsent), make_requests(3), strict=True):
        assert (request.request_id, request.group) == (original.request_id, original.group)
        assert request.customers.tolist() == original.customers.tolist()
        assert request.rows.tolist() == original.rows.tolist()


async def test_unsent_requests_come_in_order_of_chunks_a_few_at_a_time(planned: Ledger) -> None:
    seen = []
    after = START
    while block := await planned.read(unsent_requests, BATCH, after, 2):
        seen += [unsent.request.chunk for unsent in block]
        after = (block[-1].request.chunk, "", 0)
    assert seen == [1, 2, 3]


async def test_a_request_that_is_sent_is_no_longer_unsent(planned: Ledger) -> None:
    record = await apply(planned, sending())
    assert (record.stage, record.attempts, record.updated_at) == (Stage.SENDING, 1, AT)
    assert [unsent.request.chunk for unsent in await planned.read(unsent_requests, BATCH, START, 10)] == [
        2,
        3,
    ]
    assert await planned.read(count_by_stage, BATCH) == {Stage.NOT_SENT: 2, Stage.SENDING: 1}


async def test_an_attempt_that_was_cut_off_is_noted_without_an_answer(planned: Ledger) -> None:
    await apply(planned, sending())
    await planned.write(mark_interrupted, BATCH, LATER)
    assert await attempts_of(planned) == [(1, AT, "", "", None, "")]


async def test_an_attempt_whose_answer_came_after_all_is_noted_once_with_it(planned: Ledger) -> None:
    await apply(planned, sending())
    await planned.write(mark_interrupted, BATCH, LATER)
    await apply(planned, answered(Stage.REFUSED))
    assert await attempts_of(planned) == [(1, AT, LATER, "refused", 504, TIMED_OUT.message)]


@pytest.mark.parametrize("stage", [Stage.SENDING, Stage.SUBMITTED, Stage.REFUSED, Stage.IN_DOUBT])
async def test_only_a_request_that_is_not_sent_can_be_sent(planned: Ledger, stage: Stage) -> None:
    await apply(planned, sending())
    if stage is not Stage.SENDING:
        await apply(planned, answered(stage))
    with pytest.raises(LedgerUnavailable, match="another process"):
        await apply(planned, sending(2))
    assert (await first(planned)).stage is stage
    assert len(await attempts_of(planned)) == (stage is not Stage.SENDING)


async def test_one_request_that_can_not_be_sent_keeps_the_others_of_its_transaction_back(
    planned: Ledger,
) -> None:
    await apply(planned, sending())
    with pytest.raises(LedgerUnavailable):
        await apply(planned, sending(2), sending(1, make_request(chunk=2).request_id))
    assert await planned.read(count_by_stage, BATCH) == {Stage.NOT_SENT: 2, Stage.SENDING: 1}


async def test_a_request_that_was_not_created_can_be_sent_again(planned: Ledger) -> None:
    await apply(planned, sending())
    record = await apply(planned, answered(Stage.NOT_SENT))
    assert (record.stage, record.submitted_at, record.error) == (Stage.NOT_SENT, "", TIMED_OUT)
    assert (await planned.read(unsent_requests, BATCH, START, 1))[0].attempts == 1
    assert (await apply(planned, sending(2))).attempts == 2


async def test_every_attempt_is_kept_with_what_came_of_it(planned: Ledger) -> None:
    await apply(planned, sending())
    await apply(planned, answered(Stage.NOT_SENT))
    await apply(planned, sending(2))
    await apply(planned, answered(Stage.IN_DOUBT, attempt=2))
    message = TIMED_OUT.message
    assert await attempts_of(planned) == [
        (1, AT, LATER, "not_sent", 504, message),
        (2, AT, LATER, "in_doubt", 504, message),
    ]


async def test_an_answer_of_an_older_attempt_changes_nothing(planned: Ledger) -> None:
    await apply(planned, sending())
    await apply(planned, answered(Stage.NOT_SENT))
    await apply(planned, sending(2))
    record = await apply(planned, answered(Stage.REFUSED, attempt=1))
    assert (record.stage, record.attempts) == (Stage.SENDING, 2)


async def test_an_answer_that_comes_twice_changes_nothing(planned: Ledger) -> None:
    await apply(planned, sending())
    await apply(planned, answered(Stage.IN_DOUBT))
    assert (await apply(planned, answered(Stage.NOT_SENT))).stage is Stage.IN_DOUBT


async def test_a_submitted_request_shows_what_the_server_said(planned: Ledger) -> None:
    await apply(planned, sending())
    record = await apply(planned, accepted(said("Waiting 4 you")))
    assert (record.stage, record.state, record.outcome) == (Stage.SUBMITTED, "Waiting 4 you", Outcome.PENDING)
    assert (record.workflow_request_id, record.submitted_at, record.is_final) == ("w-1", LATER, False)


@pytest.mark.parametrize("answer", ["AdminTask", "rejected", "failed", "approved"])
@pytest.mark.parametrize("before", ["", "AdminTask", "rejected", "approved"])
@pytest.mark.parametrize("workflow", ["w-1", "w-2"])
async def test_what_an_answer_says_counts_as_if_the_list_had_said_it(
    planned: Ledger, answer: str, before: str, workflow: str
) -> None:
    told = said(answer, issued(700000002, "a" * 24)) if answer == "approved" else said(answer)
    both: list[RequestRecord] = []
    for request_id in (ONE, make_request(chunk=2).request_id):
        await planned.write(apply_transitions, [sending(1, request_id)])
        if before:
            known = replace(said(before, workflow=workflow, at=AT), request_id=request_id)
            await planned.write(apply_transitions, [known])
        answer_ = accepted(replace(told, request_id=request_id))
        apart: list[Transition] = [replace(answer_, said=None), replace(told, request_id=request_id)]
        await planned.write(apply_transitions, [answer_] if request_id == ONE else apart)
        record = (await records_of(planned))[len(both)]
        both.append(replace(record, request_id=ONE, chunk=1))
    assert both[0] == both[1]


@pytest.mark.parametrize("later", ["AdminTask", "rejected", "failed", "approved"])
@pytest.mark.parametrize("final", ["rejected", "approved"])
async def test_a_final_state_stands_for_good(planned: Ledger, final: str, later: str) -> None:
    await apply(planned, sending())
    stands = await apply(planned, accepted(said(final)))
    assert stands.is_final
    assert await apply(planned, said(later, at=LAST)) == stands


@pytest.mark.parametrize(
    ("first", "second", "counts"),
    [
        ("AdminTask", "rejected", "w-1"),
        ("rejected", "AdminTask", "w-2"),
        ("failed", "rejected", "w-2"),
        ("rejected", "failed", "w-1"),
        ("AdminTask", "AdminTask", "w-1"),
    ],
)
async def test_of_twins_the_one_that_ran_or_may_still_run_counts(
    planned: Ledger, first: str, second: str, counts: str
) -> None:
    await apply(planned, sending())
    await apply(planned, accepted(failed() if first == "failed" else said(first)))
    later = failed("w-2") if second == "failed" else said(second, workflow="w-2", at=LAST)
    assert (await apply(planned, later)).workflow_request_id == counts


async def test_a_twin_that_ran_beats_the_repeat_that_was_refused(planned: Ledger) -> None:
    await apply(planned, sending())
    await apply(planned, accepted(failed()))
    reply = issued(700000002, "a" * 24)
    record = await apply(planned, said("approved", reply, workflow="w-2", at=LAST))
    assert (record.workflow_request_id, record.outcome) == ("w-2", None)
    assert (await first_rows(planned)).settlement.replies == {700000002: reply}


async def test_replies_are_stored_once(planned: Ledger) -> None:
    await apply(planned, sending())
    await apply(planned, accepted(said("approved", issued(700000002, "a" * 24))))
    before = (await first_rows(planned)).settlement
    await apply(planned, said("approved", issued(700000002, "b" * 24), at=LAST))
    assert (await first_rows(planned)).settlement == before
    assert before.replies == {700000002: issued(700000002, "a" * 24)}


async def test_replies_of_a_final_state_that_changes_its_mind_are_not_kept(planned: Ledger) -> None:
    await apply(planned, sending())
    await apply(planned, accepted(said("rejected")))
    await apply(planned, said("approved", issued(700000002, "a" * 24), at=LAST))
    assert (await first_rows(planned)).settlement.replies == {}


async def test_a_list_that_knows_a_request_before_its_own_answer_comes_is_believed(planned: Ledger) -> None:
    await apply(planned, sending())
    adopted = await apply(planned, said("AdminTask"))
    assert adopted.stage is Stage.SUBMITTED
    assert await apply(planned, answered(Stage.IN_DOUBT)) == adopted
    assert (await attempts_of(planned))[0][3] == "in_doubt"


async def test_a_list_that_knows_the_end_before_the_answer_comes_is_believed(planned: Ledger) -> None:
    await apply(planned, sending())
    ended = await apply(planned, said("approved", issued(700000002, "a" * 24)))
    assert await apply(planned, accepted(said("AdminTask", at=LAST))) == ended


async def test_a_lost_request_that_the_list_shows_is_taken_over(planned: Ledger) -> None:
    await apply(planned, sending())
    await apply(planned, answered(Stage.IN_DOUBT))
    record = await apply(planned, said("AdminTask", at=LAST))
    assert (record.stage, record.workflow_request_id, record.error) == (Stage.SUBMITTED, "w-1", ServerError())


async def test_open_requests_are_those_the_server_may_have(planned: Ledger) -> None:
    assert await planned.read(open_requests, BATCH) == []
    for chunk, stage in ((1, Stage.IN_DOUBT), (2, Stage.REFUSED)):
        request_id = make_request(chunk=chunk).request_id
        steps = (
            sending(1, request_id),
            Answered(lease=KEY, request_id=request_id, attempt=1, sent_at=AT, at=AT, stage=stage),
        )
        await planned.write(apply_transitions, steps)
    await planned.write(apply_transitions, [sending(1, make_request(chunk=3).request_id)])
    assert [record.chunk for record in await planned.read(open_requests, BATCH)] == [1, 3]


async def test_another_batch_sees_none_of_it(planned: Ledger) -> None:
    other = BatchId("20260302-044501-abcdef")
    assert await planned.read(unsent_requests, other, START, 10) == []
    assert await planned.read(lambda c: list(iterate_request_rows(c, other))) == []


async def test_requests_come_as_columns_with_their_rows_in_order_of_chunks(planned: Ledger) -> None:
    [(columns, carried)] = await planned.read(lambda c: list(iterate_request_columns(c, BATCH)))
    known = make_requests(3)
    assert list(columns.request_id) == [request.request_id for request in known]
    assert list(columns.stage) == [Stage.NOT_SENT] * 3
    assert carried.counts.tolist() == [2, 2, 2]
    assert carried.rows.tolist() == [2, 3] * 3
    assert carried.customers.tolist() == [n for request in known for n in request.customers.tolist()]


async def test_chosen_requests_come_as_columns_with_the_replies_of_those_that_ran(planned: Ledger) -> None:
    reply = issued(700_000_002, "b-1")
    await apply(planned, sending(), said("approved", reply))
    chosen = [make_request(chunk=chunk).request_id for chunk in (1, 3)]
    [columns] = await planned.read(lambda c: list(load_request_columns(c, chosen)))
    assert set(columns.request_id) == set(chosen)
    replies = await planned.read(load_replies, chosen)
    assert {one: unpack_replies(packed) for one, packed in replies.items()} == {ONE: [reply]}
