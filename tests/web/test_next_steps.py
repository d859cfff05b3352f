"""What a batch's page says to do next."""

from dataclasses import replace

import pytest

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.batch.outcomes import Outcome
from batch_issuer.ledger import BatchStage
from batch_issuer.ledger.live import Live
from batch_issuer.ledger.runs import Action, Run
from batch_issuer.processes import this_process
from batch_issuer.web.batch_state import BatchState
from batch_issuer.web.next_steps import next_step, plain
from tests.conftest import BATCH, make_batch

AT = "2026-03-02T04:45:00Z"


def state(
    counts: dict[Outcome, int] | None = None, *, waiting: int = 0, retriable: int = 0, **facts: object
) -> BatchState:
    live = Live(waiting=waiting, retriable=retriable)
    known = {"batch": make_batch(), "live": live, "counts": counts or {}, **facts}
    return BatchState(**known)  # type: ignore[arg-type]


def run(action: Action = Action.ISSUE, **facts: object) -> Run:
    known = {"run": "a1", "action": action, "batch": BATCH, "user": "mia", "via": "page", "made_at": AT}
    return Run(**{**known, **facts})  # type: ignore[arg-type]


REFUSED = replace(make_batch(stage=BatchStage.REFUSED))
RECORDING = make_batch(stage=BatchStage.RECORDING)
PRUNED = replace(make_batch(), pruned_at=AT)


@pytest.mark.parametrize(
    ("found", "title", "actions"),
    [
        (state(batch=PRUNED), "Pruned", ()),
        (state(batch=REFUSED), "Nothing was sent", ()),
        (state(batch=RECORDING), "Not finished", (Action.RESUME,)),
        (state(batch=RECORDING, runs=(run(),)), "Being checked and recorded", ()),
        (state({Outcome.NOT_SENT: 3}, runs=(run(),)), "Being sent", ()),
        (state({Outcome.NOT_SENT: 3}, worker=this_process()), "Worked on elsewhere", ()),
        (state({Outcome.NOT_SENT: 3}), "Not finished", (Action.RESUME, Action.REFRESH)),
        (state({Outcome.IN_DOUBT: 3}, waiting=2), "Not finished", (Action.RESUME, Action.REFRESH)),
        (state({Outcome.PENDING: 3}, waiting=1), "Waits for approval", (Action.REFRESH,)),
        (
            state({Outcome.PENDING: 3, Outcome.FAILED: 1}, waiting=1, retriable=1),
            "Waits for approval",
            (Action.REFRESH, Action.RETRY),
        ),
        (state({Outcome.FAILED: 1}, retriable=1), "Some rows failed", (Action.RETRY, Action.REFRESH)),
        (state({Outcome.FAILED: 1, Outcome.ISSUED: 5}), "Done, with failures", (Action.REFRESH,)),
        (state({Outcome.REJECTED: 1}), "Done, with failures", (Action.REFRESH,)),
        (state({Outcome.ISSUED: 5, Outcome.INVALID: 1}), "Done, but for invalid rows", ()),
        (state({Outcome.ISSUED: 5, Outcome.DUPLICATE: 1}), "Done", ()),
    ],
)
def test_each_batch_has_one_next_step(found: BatchState, title: str, actions: tuple[Action, ...]) -> None:
    step = next_step(found)
    assert (step.title, step.actions) == (title, actions)
    assert step.text.endswith(".")


def test_why_the_last_run_stopped_is_told_without_what_is_said_to_a_terminal() -> None:
    ended = run(
        ended_at=AT,
        exit_code=ExitCode.NOT_FINISHED,
        message="the ledger can't be used now (disk full); nothing is lost: `batch-issuer resume x` goes on",
    )
    step = next_step(state({Outcome.NOT_SENT: 3}, runs=(ended,)))
    assert step.reason == "The ledger can't be used now (disk full); nothing is lost."
    fine = replace(ended, exit_code=ExitCode.DONE, message="all is well")
    assert next_step(state({Outcome.ISSUED: 3}, runs=(fine,))).reason == ""


def test_what_a_decision_did_is_no_reason_for_failures() -> None:
    ended = run(
        Action.APPROVE, ended_at=AT, exit_code=ExitCode.ROWS_NEED_A_LOOK, message="Requests approved: 3"
    )
    assert next_step(state({Outcome.FAILED: 2}, runs=(ended,))).reason == ""


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (state({Outcome.NOT_SENT: 1}), "1 row is not sent yet"),
        (state({Outcome.NOT_SENT: 2000}), "2,000 rows are not sent yet"),
        (state({Outcome.FAILED: 1}, retriable=1), "1 row failed."),
        (state({Outcome.REJECTED: 1}), "1 row was not issued"),
        (state({Outcome.REJECTED: 2}), "2 rows were not issued"),
    ],
)
def test_one_row_is_told_as_one(found: BatchState, told: str) -> None:
    assert next_step(found).text.startswith(told)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("", ""),
        ("`batch-issuer resume` goes on", ""),
        ("the server is down", "The server is down."),
        (
            "Nothing was sent. 1 of 2 rows is invalid: add --on-invalid skip",
            "Nothing was sent. 1 of 2 rows is invalid.",
        ),
        ("it failed; see failed.csv.", "It failed; see failed.csv."),
    ],
)
def test_messages_are_sentences_for_people(message: str, said: str) -> None:
    assert plain(message) == said
