"""What a run measures while it works."""

import pytest

from batch_issuer.gateway import Operation
from batch_issuer.metrics.measurements import BOUNDS, Measurements


class Uptime:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def send(measured: Measurements, uptime: Uptime, *, calls: int, seconds: float) -> None:
    with measured.sending(seconds_between_calls=0.5, uptime=uptime):
        for _ in range(calls):
            measured.exchange(Operation.SUBMIT, 200, 0.1)
        uptime.seconds += seconds


@pytest.mark.parametrize(
    ("calls", "seconds", "share"),
    [(1, 0.2, 1.0), (11, 5.1, 1.0), (5, 4.9, 0.5), (1, 9.9, 0.05)],
)
def test_the_pace_is_compared_with_the_calls_that_the_rate_allows(
    calls: int, seconds: float, share: float
) -> None:
    measured = Measurements()
    send(measured, Uptime(), calls=calls, seconds=seconds)
    assert measured.pace == share


def test_several_times_of_sending_count_together() -> None:
    measured, uptime = Measurements(), Uptime()
    send(measured, uptime, calls=10, seconds=4.9)
    uptime.seconds += 1_000
    send(measured, uptime, calls=5, seconds=9.9)
    assert measured.pace == 15 / 30


def test_a_token_takes_no_part_in_the_pace() -> None:
    measured, uptime = Measurements(), Uptime()
    with measured.sending(seconds_between_calls=1, uptime=uptime):
        measured.exchange(Operation.TOKEN, 200, 0.1)
    assert measured.pace is None


def test_where_every_call_is_allowed_or_none_was_made_there_is_no_share() -> None:
    measured, uptime = Measurements(), Uptime()
    with measured.sending(seconds_between_calls=0, uptime=uptime):
        measured.exchange(Operation.SUBMIT, 200, 0.1)
    with measured.sending(seconds_between_calls=1, uptime=uptime):
        pass
    assert measured.pace is None


def test_a_duration_counts_in_the_first_bucket_that_holds_it() -> None:
    measured = Measurements()
    for seconds in (0.0, 0.01, 0.011, 60.0, 60.1):
        measured.exchange(Operation.LIST, None, seconds)
    counts = measured.durations[Operation.LIST].counts
    assert counts == [2, 1, *[0] * (len(BOUNDS) - 3), 1, 1]
    assert measured.durations[Operation.LIST].seconds == pytest.approx(120.121)
    assert measured.responses == {(Operation.LIST, None): 5}


def test_what_two_runs_counted_adds_up_and_the_pace_is_the_later_ones() -> None:
    earlier, later, uptime = Measurements(), Measurements(), Uptime()
    send(earlier, uptime, calls=1, seconds=0.6)
    later.exchange(Operation.SUBMIT, 200, 20)
    both = later.after(earlier)
    assert both.responses == {(Operation.SUBMIT, 200): 2}
    assert sum(both.durations[Operation.SUBMIT].counts) == 2
    assert both.pace == 0.5
    send(later, uptime, calls=2, seconds=0.6)
    assert later.after(earlier).pace == 1
