"""What follows from each answer, and when a batch stops: two tables."""

import pytest

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.batch.ids import WorkflowRequestId
from batch_issuer.batch.outcomes import ServerError, ServerRequest
from batch_issuer.batch.stages import Stage
from batch_issuer.gateway import Answer, AnswerKind
from batch_issuer.submission import NextStep, Situation, next_step
from batch_issuer.submission.breaker import Breaker


def situation(
    *, attempts: int = 1, max_attempts: int = 5, may_renew: bool = False, jitter: float = 0.5
) -> Situation:
    return Situation(attempts=attempts, max_attempts=max_attempts, may_renew=may_renew, jitter=jitter)


def answer(
    kind: AnswerKind, *, status: int | None = None, code: str = "", retry_after: float | None = None
) -> Answer:
    error = ServerError(code=code, message="as told")
    return Answer(kind=kind, http_status=status, error=error, retry_after=retry_after)


def named(*, maker_allowed: bool | None) -> Answer:
    said = ServerRequest(
        workflow_request_id=WorkflowRequestId("w"),
        request_id=None,
        state="AdminTask",
        maker_allowed=maker_allowed,
    )
    return Answer(kind=AnswerKind.OK, http_status=200, said=said)


@pytest.mark.parametrize("allowed", [None, True])
def test_a_named_request_is_submitted(allowed: bool | None) -> None:  # noqa: FBT001 - a table's column
    assert next_step(named(maker_allowed=allowed), situation()) == NextStep(stage=Stage.SUBMITTED)


def test_a_maker_without_the_permission_stops_the_batch() -> None:
    step = next_step(named(maker_allowed=False), situation())
    assert (step.stage, step.again_after) == (Stage.SUBMITTED, None)
    assert step.stop is not None
    assert step.stop.exit_code is ExitCode.NO_PERMISSION


NOT_CREATED = [AnswerKind.RATE_LIMITED, AnswerKind.NOT_REACHED]


@pytest.mark.parametrize("kind", NOT_CREATED)
@pytest.mark.parametrize(
    ("attempts", "jitter", "seconds"),
    [
        (1, 0.5, 0.5),
        (2, 0.5, 1.0),
        (3, 0.5, 2.0),
        (4, 0.25, 2.0),
        (7, 1.0, 60.0),
        (60, 1.0, 60.0),
        (1, 0.0, 0.0),
    ],
)
def test_what_was_not_created_is_sent_again_ever_later_with_full_jitter(
    kind: AnswerKind, attempts: int, jitter: float, seconds: float
) -> None:
    step = next_step(answer(kind), situation(attempts=attempts, max_attempts=100, jitter=jitter))
    assert step == NextStep(stage=Stage.NOT_SENT, again_after=seconds)


@pytest.mark.parametrize("kind", NOT_CREATED)
@pytest.mark.parametrize("seconds", [0.0, 2.0, 3600.0])
def test_a_servers_own_delay_is_heeded(kind: AnswerKind, seconds: float) -> None:
    step = next_step(answer(kind, retry_after=seconds), situation())
    assert step == NextStep(stage=Stage.NOT_SENT, again_after=seconds)


@pytest.mark.parametrize("kind", NOT_CREATED)
@pytest.mark.parametrize("attempts", [5, 6])
def test_attempts_that_are_used_up_leave_the_request_unsent(kind: AnswerKind, attempts: int) -> None:
    step = next_step(answer(kind, retry_after=2.0), situation(attempts=attempts))
    assert step == NextStep(stage=Stage.NOT_SENT)


def test_a_401_is_tried_once_more_with_a_fresh_token() -> None:
    step = next_step(answer(AnswerKind.UNAUTHORIZED, status=401), situation(may_renew=True))
    assert step == NextStep(stage=Stage.NOT_SENT, again_after=0.0)


@pytest.mark.parametrize("kind", [AnswerKind.UNAUTHORIZED, AnswerKind.FORBIDDEN])
def test_a_refused_caller_stops_the_batch_and_leaves_the_request_unsent(kind: AnswerKind) -> None:
    step = next_step(answer(kind, status=403), situation(may_renew=kind is AnswerKind.FORBIDDEN))
    assert (step.stage, step.again_after) == (Stage.NOT_SENT, None)
    assert step.stop is not None
    assert step.stop.exit_code is ExitCode.NO_PERMISSION
    assert "HTTP 403: as told" in step.stop.message


def test_what_is_refused_for_good_is_not_sent_again_and_the_batch_goes_on() -> None:
    step = next_step(answer(AnswerKind.REFUSED, status=400), situation())
    assert step == NextStep(stage=Stage.REFUSED)


@pytest.mark.parametrize("retry_after", [None, 2.0])
@pytest.mark.parametrize("attempts", [1, 4])
def test_what_is_in_doubt_is_never_sent_again(retry_after: float | None, attempts: int) -> None:
    step = next_step(
        answer(AnswerKind.IN_DOUBT, retry_after=retry_after), situation(attempts=attempts, may_renew=True)
    )
    assert step == NextStep(stage=Stage.IN_DOUBT)


OK = named(maker_allowed=True)
DOWN, DOUBT = answer(AnswerKind.NOT_REACHED), answer(AnswerKind.IN_DOUBT)
LIMITED = answer(AnswerKind.RATE_LIMITED, status=429)
REFUSED = answer(AnswerKind.REFUSED, status=400, code="750")
OTHER_CODE = answer(AnswerKind.REFUSED, status=400, code="812")
OTHER_STATUS = answer(AnswerKind.REFUSED, status=409, code="750")


@pytest.mark.parametrize(
    ("answers", "stops"),
    [
        ([DOWN] * 9, False),
        ([DOWN] * 10, True),
        ([DOUBT] * 10, True),
        ([DOWN, DOUBT] * 5, True),
        ([DOWN] * 9 + [OK, DOWN], False),
        ([DOWN] * 9 + [REFUSED, DOWN], False),
        ([DOWN, LIMITED] * 9, False),
        ([DOWN, LIMITED] * 10, True),
        ([LIMITED] * 100, False),
        ([REFUSED] * 9, False),
        ([REFUSED] * 10, True),
        ([REFUSED, LIMITED] * 10, True),
        ([REFUSED, OTHER_CODE] * 10, False),
        ([REFUSED, OTHER_STATUS] * 10, False),
        ([REFUSED] * 9 + [OTHER_CODE], False),
        ([REFUSED] * 9 + [OK, REFUSED], False),
        ([REFUSED] * 9 + [DOUBT, REFUSED], False),
        ([OK] * 100, False),
    ],
)
def test_a_batch_stops_by_the_table(answers: list[Answer], *, stops: bool) -> None:
    breaker = Breaker()
    told = [breaker.record(one) for one in answers]
    assert any(told) is stops


def test_a_stop_names_the_reason_and_leaves_the_exit_code_to_the_rows() -> None:
    breaker = Breaker()
    stop = [breaker.record(REFUSED) for _ in range(10)][-1]
    assert stop is not None
    assert stop.message == "the server refused 10 requests in a row: as told"
    assert stop.exit_code is None
