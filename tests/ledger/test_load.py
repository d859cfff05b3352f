"""Load: whether the event loop is at work most of the time, as the journal goes by it."""

from dataclasses import dataclass

from batch_issuer.ledger.journal import Load


@dataclass
class Meter:
    """The time, and how much of it the loop has worked."""

    now: float = 100.0
    worked: float = 7.0

    def load(self) -> Load:
        return Load(now=lambda: self.now, worked=lambda: self.worked)

    def spend(self, seconds: float, *, working: float) -> None:
        self.now += seconds
        self.worked += working


def test_a_loop_that_mostly_waits_has_no_high_load() -> None:
    meter = Meter()
    load = meter.load()
    meter.spend(1.0, working=0.4)
    assert not load.is_high()


def test_a_loop_that_works_most_of_the_time_has_a_high_load() -> None:
    meter = Meter()
    load = meter.load()
    meter.spend(1.0, working=0.8)
    assert load.is_high()


def test_only_the_time_since_the_last_look_counts() -> None:
    meter = Meter()
    load = meter.load()
    meter.spend(1.0, working=1.0)
    assert load.is_high()
    meter.spend(1.0, working=0.1)
    assert not load.is_high()


def test_a_look_a_moment_later_tells_what_the_last_one_told() -> None:
    meter = Meter()
    load = meter.load()
    meter.spend(1.0, working=1.0)
    assert load.is_high()
    meter.spend(0.01, working=0.0)
    assert load.is_high()
