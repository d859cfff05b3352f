"""How a batch ends: of several exit codes that hold, the first of 1, 6, 5, 4, 0."""

import pytest

from batch_issuer.batch.exit_codes import ExitCode, exit_code
from batch_issuer.batch.outcomes import Outcome

ALONE = {
    Outcome.ISSUED: 0,
    Outcome.PENDING: 0,
    Outcome.DUPLICATE: 0,
    Outcome.ALREADY_ISSUED: 0,
    Outcome.ALREADY_ISSUED: 0,
    Outcome.INVALID: 4,
    Outcome.REJECTED: 4,
    Outcome.FAILED: 4,
    Outcome.ISSUE_FAILED: 4,
    Outcome.UNACCOUNTED: 4,
    Outcome.NOT_SENT: 5,
    Outcome.IN_DOUBT: 5,
}


@pytest.mark.parametrize("outcome", list(Outcome))
def test_each_outcome_alone_has_its_code(outcome: Outcome) -> None:
    assert exit_code({outcome: 1}) == ALONE[outcome]


@pytest.mark.parametrize("outcome", list(Outcome))
def test_an_outcome_that_no_row_has_counts_for_nothing(outcome: Outcome) -> None:
    assert exit_code({Outcome.ISSUED: 3, outcome: 0}) == 0


def test_rows_left_to_send_outrank_failed_rows() -> None:
    assert exit_code({Outcome.FAILED: 5, Outcome.NOT_SENT: 1}) == 5


def test_a_row_that_was_left_to_another_batch_in_vain_needs_a_look() -> None:
    assert exit_code({Outcome.ALREADY_ISSUED: 2}, in_vain=1) == 4


def test_a_batch_without_rows_is_done() -> None:
    assert exit_code({}) == 0


@pytest.mark.parametrize(
    ("stopped", "code"),
    [
        (ExitCode.PROGRAM_ERROR, 1),
        (ExitCode.NO_PERMISSION, 6),
        (ExitCode.NOT_FINISHED, 5),
        (ExitCode.ROWS_NEED_A_LOOK, 5),
        (ExitCode.DONE, 5),
        (None, 5),
    ],
)
def test_why_a_batch_stopped_counts_where_it_outranks_the_rows(stopped: ExitCode | None, code: int) -> None:
    assert exit_code({Outcome.IN_DOUBT: 1, Outcome.FAILED: 1}, stopped=stopped) == code


def test_a_stop_counts_even_where_every_row_is_well() -> None:
    assert exit_code({Outcome.ISSUED: 1}, stopped=ExitCode.NOT_FINISHED) == 5
