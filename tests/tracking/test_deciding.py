"""Deciding as a checker: looking first, each request once, never two twins, and nothing behind a refusal."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.batch.ids import WorkflowRequestId
from batch_issuer.batch.outcomes import Outcome, ServerError
from batch_issuer.batch.requests import IssueRequest
from batch_issuer.batch.stages import Stage
from batch_issuer.batch.twins import Twin
from batch_issuer.gateway import Access
from batch_issuer.gateway.access import BasicLogin, OAuthClient
from batch_issuer.ledger.requests import retire_request
from batch_issuer.sandbox import Sandbox, Scenario
from batch_issuer.sandbox.faults import AnswerInstead, DroppedConnection, Exchange
from batch_issuer.tracking import Decision, Desk, decide_waiting
from batch_issuer.tracking.cases import Decided, twins_to_decide
from tests.conftest import (
    BATCH,
    KNOWN,
    FakeClock,
    FakeClockSandbox,
    make_access,
    make_batch,
    make_inner,
    make_request,
)
from tests.tracking.conftest import Watch

BASIC = BasicLogin(username=KNOWN.checker_username, password=KNOWN.checker_password)
OAUTH = OAuthClient(key=KNOWN.checker_key, secret=KNOWN.checker_secret)
MESSAGE = "seen by the review board"
LOST = DroppedConnection(after_accepting=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meanwhile:
    """Something that happens behind an honest answer, or in place of one."""

    act: Callable[[], Any]
    after_accepting: bool = True

    async def play(self, exchange: Exchange) -> web.StreamResponse:
        self.act()
        return exchange.honest or web.Response(status=500)


def checker(url: str, *, login: BasicLogin | OAuthClient = BASIC) -> Access:
    return make_access(url, login=login, ui_auth_token=KNOWN.checker_ui_token)


async def decide(
    watch: Watch, sandbox: Sandbox, *, approve: bool = True, access: Access | None = None, rate: float = 0
) -> Decided:
    view = await watch.view(access or checker(sandbox.url), rate=rate)
    desk = Desk(view=view, ledger=watch.ledger, batch=make_batch())
    return await decide_waiting(desk, Decision(approve=approve, message=MESSAGE))


async def submit_twin(watch: Watch, sandbox: Sandbox, request: IssueRequest) -> str:
    """Submit a request once more, without the ledger's knowing."""
    client = await watch.gateway.client(make_access(sandbox.url))
    await client.submit(request, make_inner())
    return sandbox.requests[-1].workflow_request_id


def figures(decided: Decided) -> tuple[int, int, int]:
    return decided.decided, decided.already, decided.waiting


def puts(sandbox: Sandbox) -> int:
    return sandbox.calls["PUT ISSUE-BADGE"]


def answer_to(sandbox: Sandbox, state: str, **details: bool) -> bytes:
    data = {"requestId": sandbox.requests[0].workflow_request_id, "state": state, "details": details}
    return json.dumps({"data": data}).encode()


@pytest.mark.parametrize(
    ("approve", "state", "outcome"), [(True, "approved", None), (False, "rejected", Outcome.REJECTED)]
)
async def test_all_that_waits_is_decided_once_and_recorded(
    watch: Watch, sandbox: Sandbox, *, approve: bool, state: str, outcome: Outcome | None
) -> None:
    await watch.submit(sandbox, 3)
    decided = await decide(watch, sandbox, approve=approve)
    assert (figures(decided), decided.exit_code, puts(sandbox)) == ((3, 0, 0), None, 3)
    assert decided.message == f"requests {state}: 3; decided already: 0; still waiting: 0"
    assert [(record.state, record.outcome) for record in await watch.records()] == [(state, outcome)] * 3
    assert {record.decision and record.decision.message for record in sandbox.requests} == {MESSAGE}


async def test_each_call_takes_its_turn_in_the_order_of_chunks(
    watch: Watch, sandbox: Sandbox, time: FakeClock
) -> None:
    await watch.submit(sandbox, 3)
    await decide(watch, sandbox, rate=60)
    ends = [record.ended_at or 0 for record in sandbox.requests]
    assert time.slept == pytest.approx([60 / 59.4] * 4, abs=0.01)  # two pages and three decisions
    assert ends == sorted(set(ends))


async def test_where_nothing_waits_nothing_is_sent(watch: Watch, sandbox: Sandbox) -> None:
    await watch.submit(sandbox, 2)
    sandbox.decide_all("approved")
    decided = await decide(watch, sandbox)
    assert (figures(decided), decided.exit_code, puts(sandbox)) == ((0, 2, 0), None, 0)
    assert decided.message == "nothing waits for a decision; decided already: 2; still waiting: 0"


async def test_what_somebody_else_decides_meanwhile_is_left_alone(watch: Watch, sandbox: Sandbox) -> None:
    await watch.submit(sandbox, 2)
    name = sandbox.requests[0].workflow_request_id
    sandbox.will(Meanwhile(act=lambda: sandbox.decide(name, "rejected")), method="GET")
    decided = await decide(watch, sandbox)
    assert (figures(decided), decided.exit_code, puts(sandbox)) == ((1, 1, 0), None, 2)
    assert await watch.states() == ["rejected", "approved"]


async def test_a_decision_that_took_effect_without_an_answer_is_not_made_twice(
    watch: Watch, sandbox: Sandbox
) -> None:
    await watch.submit(sandbox, 2)
    sandbox.will(DroppedConnection(after_accepting=True), method="PUT")
    decided = await decide(watch, sandbox)
    assert (figures(decided), decided.stop, puts(sandbox)) == ((2, 0, 0), None, 2)
    assert await watch.states() == ["approved", "approved"]


async def test_what_somebody_else_rejects_while_an_approval_is_lost_is_theirs(
    watch: Watch, sandbox: Sandbox
) -> None:
    await watch.submit(sandbox, 1)
    lost = Meanwhile(act=lambda: sandbox.decide_all("rejected"), after_accepting=False)
    sandbox.will(lost, method="PUT")
    assert (figures(await decide(watch, sandbox)), puts(sandbox)) == ((0, 1, 0), 1)


async def test_conflicts_are_no_failures_however_many(watch: Watch, sandbox: Sandbox) -> None:
    await watch.submit(sandbox, 12)
    sandbox.will(Meanwhile(act=lambda: sandbox.decide_all("approved")), method="GET")
    decided = await decide(watch, sandbox)
    assert (figures(decided), decided.stop, puts(sandbox)) == ((0, 12, 0), None, 12)


async def test_a_decision_that_was_lost_on_its_way_is_made_in_the_next_pass(
    watch: Watch, sandbox: Sandbox
) -> None:
    await watch.submit(sandbox, 2)
    sandbox.will(LOST, method="PUT")
    decided = await decide(watch, sandbox)
    assert (figures(decided), decided.exit_code, puts(sandbox)) == ((2, 0, 0), None, 3)


async def test_an_answer_that_still_waits_is_looked_up(watch: Watch, sandbox: Sandbox) -> None:
    await watch.submit(sandbox, 1)
    late = AnswerInstead(status=200, body=answer_to(sandbox, "AdminTask"), after_accepting=True)
    sandbox.will(late, method="PUT")
    assert (figures(await decide(watch, sandbox)), puts(sandbox)) == ((1, 0, 0), 1)


async def test_three_passes_are_the_most(watch: Watch, sandbox: Sandbox) -> None:
    await watch.submit(sandbox, 1)
    for _ in range(5):
        sandbox.will(LOST, method="PUT")
    decided = await decide(watch, sandbox)
    assert (figures(decided), decided.exit_code, puts(sandbox)) == ((0, 0, 1), ExitCode.NOT_FINISHED, 3)
    assert "the connection broke" in decided.message


async def test_the_last_pass_is_settled_by_a_look_as_well(watch: Watch, sandbox: Sandbox) -> None:
    await watch.submit(sandbox, 1)
    for took_effect in (False, False, True):
        sandbox.will(DroppedConnection(after_accepting=took_effect), method="PUT")
    assert (figures(await decide(watch, sandbox)), puts(sandbox)) == ((1, 0, 0), 3)


async def test_ten_failures_in_a_row_stop(watch: Watch, sandbox: Sandbox) -> None:
    await watch.submit(sandbox, 12)
    for _ in range(12):
        sandbox.will(LOST, method="PUT")
    decided = await decide(watch, sandbox)
    assert (figures(decided), decided.exit_code, puts(sandbox)) == ((0, 0, 12), ExitCode.NOT_FINISHED, 10)
    assert "10 times in a row" in decided.message


async def test_a_decision_that_is_refused_for_good_is_not_repeated(watch: Watch, sandbox: Sandbox) -> None:
    await watch.submit(sandbox, 2)
    sandbox.will(AnswerInstead(status=400), method="PUT")
    sandbox.will(LOST, method="PUT")
    decided = await decide(watch, sandbox)
    assert (figures(decided), decided.exit_code, puts(sandbox)) == ((1, 0, 1), ExitCode.NOT_FINISHED, 3)


async def test_a_caller_without_the_permission_is_stopped_at_once(watch: Watch, sandbox: Sandbox) -> None:
    await watch.submit(sandbox, 3)
    decided = await decide(watch, sandbox, access=make_access(sandbox.url))
    assert (figures(decided), decided.exit_code, puts(sandbox)) == ((0, 0, 3), ExitCode.NO_PERMISSION, 1)
    assert "CanCheckRequest" in decided.message


async def test_a_checker_whom_the_workflow_turns_away_has_no_permission(
    watch: Watch, sandbox: Sandbox
) -> None:
    await watch.submit(sandbox, 1)
    body = answer_to(sandbox, "AdminTask", ValidateCheckerAccess_Output=False)
    for _ in range(3):
        sandbox.will(AnswerInstead(status=200, body=body), method="PUT")
    decided = await decide(watch, sandbox)
    assert (figures(decided), decided.exit_code, puts(sandbox)) == ((0, 0, 1), ExitCode.NO_PERMISSION, 3)
    assert decided.message.endswith("the checker may not decide this request")


async def test_what_is_said_beside_a_refused_checker_is_not_believed(watch: Watch, sandbox: Sandbox) -> None:
    await watch.submit(sandbox, 1)
    body = answer_to(sandbox, "approved", ValidateCheckerAccess_Output=False)
    sandbox.will(AnswerInstead(status=200, body=body), method="PUT")
    decided = await decide(watch, sandbox)
    assert (figures(decided), decided.exit_code, puts(sandbox)) == ((1, 0, 0), None, 2)
    assert [record.outcome for record in await watch.records()] == [None]


async def test_an_expired_token_is_renewed_once(watch: Watch, time: FakeClock) -> None:
    async with FakeClockSandbox(time) as sandbox:
        await watch.submit(sandbox, 1)
        sandbox.will(AnswerInstead(status=401), method="PUT")
        decided = await decide(watch, sandbox, access=checker(sandbox.url, login=OAUTH))
        assert (figures(decided), puts(sandbox), sandbox.calls["POST token"]) == ((1, 0, 0), 2, 2)


async def test_a_refused_login_stops_at_once(watch: Watch, sandbox: Sandbox) -> None:
    await watch.submit(sandbox, 2)
    sandbox.will(AnswerInstead(status=401), method="PUT")
    decided = await decide(watch, sandbox)
    assert (figures(decided), decided.exit_code, puts(sandbox)) == ((0, 0, 2), ExitCode.NO_PERMISSION, 1)


async def test_a_busy_server_is_asked_again_when_it_says(
    watch: Watch, sandbox: Sandbox, time: FakeClock
) -> None:
    await watch.submit(sandbox, 1)
    sandbox.will(AnswerInstead(status=429, retry_after=17), method="PUT")
    before = time.seconds()
    assert (figures(await decide(watch, sandbox)), puts(sandbox)) == ((1, 0, 0), 2)
    assert time.seconds() - before >= 17


async def test_a_stop_is_heeded_between_two_decisions(watch: Watch, sandbox: Sandbox) -> None:
    await watch.submit(sandbox, 3)
    sandbox.will(Meanwhile(act=watch.stopping.set), method="PUT")
    decided = await decide(watch, sandbox)
    assert (figures(decided), decided.exit_code, puts(sandbox)) == ((1, 0, 2), ExitCode.NOT_FINISHED, 1)
    assert decided.message.endswith("interrupted: no further request was decided")


@pytest.mark.parametrize(
    ("status", "times", "code"), [(403, 1, ExitCode.NO_PERMISSION), (503, 4, ExitCode.NOT_FINISHED)]
)
async def test_nothing_is_decided_unseen(
    watch: Watch, sandbox: Sandbox, status: int, times: int, code: ExitCode
) -> None:
    await watch.submit(sandbox, 1)
    for _ in range(times):
        sandbox.will_answer_reads(status)
    decided = await decide(watch, sandbox)
    assert (figures(decided), decided.exit_code, puts(sandbox)) == ((0, 0, 1), code, 0)
    assert "could not be read" in decided.message


@pytest.mark.parametrize(("shifts", "decisions"), [(2, 1), (3, 0)])
async def test_nothing_is_decided_before_the_list_was_seen_whole(
    watch: Watch, sandbox: Sandbox, shifts: int, decisions: int
) -> None:
    await watch.submit(sandbox, 1)
    entry = {"requestId": sandbox.requests[0].workflow_request_id, "state": "AdminTask", "details": {}}
    body = json.dumps({"data": [entry], "pagination": {"totalElements": 2}}).encode()
    for _ in range(shifts):
        sandbox.will_answer_reads(200, body=body)
        sandbox.will(Meanwhile(act=list), method="GET")  # an honest answer: the second page is empty
    decided = await decide(watch, sandbox)
    assert (figures(decided), puts(sandbox)) == ((decisions, 0, 1 - decisions), decisions)
    assert ("slipped from page to page" in decided.message) is not bool(decisions)


async def test_a_request_that_the_list_does_not_show_is_not_decided(watch: Watch, sandbox: Sandbox) -> None:
    await watch.hold(1)
    decided = await decide(watch, sandbox)
    assert (figures(decided), decided.exit_code, puts(sandbox)) == ((0, 0, 1), ExitCode.NOT_FINISHED, 0)


async def test_a_request_whose_answer_was_lost_is_found_and_decided(watch: Watch, sandbox: Sandbox) -> None:
    (request,) = await watch.hold(1, stage=Stage.IN_DOUBT)
    await submit_twin(watch, sandbox, request)
    assert figures(await decide(watch, sandbox)) == (1, 0, 0)
    assert await watch.states() == ["approved"]


async def test_an_approval_whose_inner_call_fails_is_decided_and_failed(
    watch: Watch, time: FakeClock
) -> None:
    async with FakeClockSandbox(time, Scenario(fail_share=1)) as sandbox:
        await watch.submit(sandbox, 1)
        assert figures(await decide(watch, sandbox)) == (1, 0, 0)
    (record,) = await watch.records()
    assert (record.outcome, record.is_final) == (Outcome.FAILED, True)


@pytest.mark.parametrize("fail_share", [0.0, 1.0])
async def test_of_twins_one_is_approved_at_most(watch: Watch, time: FakeClock, fail_share: float) -> None:
    async with FakeClockSandbox(time, Scenario(fail_share=fail_share)) as sandbox:
        (request,) = await watch.submit(sandbox, 1)
        await submit_twin(watch, sandbox, request)
        await submit_twin(watch, sandbox, request)
        await decide(watch, sandbox)
        again = await decide(watch, sandbox)
        assert puts(sandbox) == 1
        assert sum(record.execution is not None for record in sandbox.requests) == 1
    if not fail_share:
        assert (figures(again), again.waiting_twins, again.exit_code) == ((0, 1, 0), 1, None)
        assert "a twin that waits and is best rejected: 1" in again.message


async def test_every_twin_that_waits_is_rejected(watch: Watch, sandbox: Sandbox) -> None:
    (request,) = await watch.submit(sandbox, 1)
    await submit_twin(watch, sandbox, request)
    decided = await decide(watch, sandbox, approve=False)
    assert (figures(decided), puts(sandbox)) == ((1, 0, 0), 2)
    assert {record.state.value for record in sandbox.requests} == {"rejected"}


async def test_no_twin_is_approved_where_one_ran(watch: Watch, sandbox: Sandbox) -> None:
    (request,) = await watch.submit(sandbox, 1)
    sandbox.decide(await submit_twin(watch, sandbox, request), "approved")
    decided = await decide(watch, sandbox)
    assert (figures(decided), decided.exit_code, puts(sandbox)) == ((0, 1, 0), None, 0)


async def test_the_twin_of_a_rejected_request_may_be_approved(watch: Watch, sandbox: Sandbox) -> None:
    (request,) = await watch.submit(sandbox, 1)
    sandbox.decide(await submit_twin(watch, sandbox, request), "rejected")
    assert (figures(await decide(watch, sandbox)), puts(sandbox)) == ((1, 0, 0), 1)


async def test_a_request_whose_rows_went_elsewhere_is_never_approved(watch: Watch, sandbox: Sandbox) -> None:
    (request,) = await watch.submit(sandbox, 1)
    renewed = make_request(request_id="another-id")
    await watch.ledger.write(retire_request, BATCH, request.request_id, renewed)
    decided = await decide(watch, sandbox)
    assert (puts(sandbox), decided.waiting_twins) == (0, 1)
    await decide(watch, sandbox, approve=False)
    assert puts(sandbox) == 1


def twin(name: str, state: str, outcome: Outcome | None, *, is_final: bool = True) -> Twin:
    return Twin(
        workflow_request_id=WorkflowRequestId(name),
        state=state,
        outcome=outcome,
        is_final=is_final,
        is_definite=False,
        error=ServerError(),
    )


WAITS = twin("w-1", "AdminTask", Outcome.PENDING, is_final=False)
REJECTED = twin("w-3", "rejected", Outcome.REJECTED)


@pytest.mark.parametrize(
    ("beside", "may_approve"),
    [
        (REJECTED, True),
        (twin("w-2", "AdminTask", Outcome.PENDING, is_final=False), True),
        (twin("w-2", "approved", None), False),
        (twin("w-2", "approved", Outcome.UNACCOUNTED), False),
        (twin("w-2", "failed", Outcome.FAILED), False),
        (twin("w-2", "Success", Outcome.PENDING, is_final=False), False),
    ],
)
def test_a_twin_is_approved_only_beside_those_that_can_not_have_run(
    beside: Twin, *, may_approve: bool
) -> None:
    assert list(twins_to_decide([WAITS, beside], approve=True)) == [WAITS] * may_approve
    assert WAITS in twins_to_decide([WAITS, beside], approve=False)
    assert twins_to_decide([REJECTED], approve=False) == []


async def test_log_lines_name_ids_and_states_only(
    watch: Watch, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="batch_issuer")
    (request, _) = await watch.submit(sandbox, 2)
    sandbox.will(LOST, method="PUT")
    await decide(watch, sandbox)
    told = [record for record in caplog.records if record.name == "batch_issuer.tracking.deciding"]
    assert [record.levelname for record in told] == ["WARNING", "INFO", "INFO"]
    written = str([vars(record) for record in told])
    assert request.request_id in written
    assert MESSAGE not in written
    assert not any(str(customer) in written for customer in request.customers.tolist())
