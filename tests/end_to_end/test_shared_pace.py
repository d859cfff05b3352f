"""Three commands at once keep one pace between them, and heed what the server told one of them."""

from bisect import bisect_left
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from tests.end_to_end.conftest import (
    EACH_DATABASE,
    ledger_settings,
    open_sandbox,
    open_terminal,
)
from tests.end_to_end.gate import open_gate

pytestmark = pytest.mark.end_to_end

FIRST = 700_000_000
RATE = 600  # calls a minute
PER_SECOND = RATE / 60
WINDOW = 2.0  # seconds; a minute would take too long
LATE = 0.2  # seconds that the first call of all may take on its way
EACH = 20  # requests of each batch
TURNED_AWAY = 40  # this call is told to come again
RETRY_AFTER = 2
ON_THEIR_WAY = 0.5  # seconds in which calls may come that had left before the answer was there


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """When each call came, in seconds, before the 429 and after it."""

    before: list[float]
    after: list[float]
    told_at: float
    codes: list[int] = field(default_factory=list)
    customers: list[int] = field(default_factory=list)


@pytest.fixture(scope="module", params=EACH_DATABASE)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Issue three files at once through a gate that turns one call away."""
    with ExitStack() as stack:
        sandbox = stack.enter_context(open_sandbox("--decide-after", "0"))
        gate = stack.enter_context(open_gate(sandbox.url, turned_away=TURNED_AWAY, retry_after=RETRY_AFTER))
        terminal = stack.enter_context(open_terminal(tmp_path_factory.mktemp("pace")))
        ledger = ledger_settings(request.param, request)
        terminal.settings = {**sandbox.settings, **ledger, "BATCH_ISSUER_BASE_URL": gate.url}
        for number in range(3):
            terminal.write(range(FIRST + 100 * number, FIRST + 100 * number + EACH), f"{number}.csv")
        common = ("--rate", str(RATE), "--chunk-size", "1", "--no-check-badges")
        done = terminal.run_together(*(("issue", f"{number}.csv", *common) for number in range(3)))
        return Run(
            before=[instant for instant in gate.times if instant <= gate.told_at],
            after=[instant for instant in gate.times if instant > gate.told_at],
            told_at=gate.told_at,
            codes=[one.returncode for one in done],
            customers=sandbox.customers(),
        )


def most_within(seconds: float, instants: list[float]) -> int:
    """Count the calls of the busiest window."""
    return max(bisect_left(instants, begun + seconds) - number for number, begun in enumerate(instants))


def test_three_processes_together_keep_the_rate_and_use_it(run: Run) -> None:
    assert run.codes == [0, 0, 0]
    assert Counter(run.customers).keys() == {FIRST + 100 * n + m for n in range(3) for m in range(EACH)}
    assert len(run.customers) == 3 * EACH
    for calls in (run.before, run.after):
        assert most_within(WINDOW, calls) <= 1.1 * PER_SECOND * WINDOW + 1
        assert len(calls) - 1 <= 0.99 * PER_SECOND * (calls[-1] - calls[0] + LATE)
    assert most_within(WINDOW, run.before) >= 0.9 * PER_SECOND * WINDOW


def test_a_429_that_one_process_was_answered_keeps_the_others_away_too(run: Run) -> None:
    since = [instant - run.told_at for instant in run.after]
    assert len(since) == 3 * EACH + 1 - TURNED_AWAY  # the one that was turned away came again
    assert [delay for delay in since if ON_THEIR_WAY < delay < RETRY_AFTER] == []
    assert len([delay for delay in since if delay <= ON_THEIR_WAY]) <= 0.9 * PER_SECOND * ON_THEIR_WAY
