"""How many lanes a batch is sent in: what the pace keeps busy, and two where one may die."""

import pytest

from batch_issuer.lanes.job import lanes_for, shares_of
from batch_issuer.settings import Settings


@pytest.mark.parametrize(
    ("rate", "concurrency", "width", "lanes"),
    [
        (100, 8, 200, 2),
        (6_000, 8, 200, 2),
        (10_000, 8, 200, 4),
        (0, 64, 10, 10),
        (0, 8, 200, 8),
        (100, 1, 200, 1),
        (100, 8, 1, 1),
    ],
)
def test_there_are_as_many_lanes_as_the_pace_needs(
    rate: float, concurrency: int, width: int, lanes: int
) -> None:
    settings = Settings.model_validate({"rate": rate, "concurrency": concurrency})
    assert lanes_for(settings, width=width) == lanes


@pytest.mark.parametrize(("concurrency", "lanes"), [(8, 3), (2, 2), (64, 10)])
def test_shares_of_lanes_add_up_to_what_may_be_under_way(concurrency: int, lanes: int) -> None:
    shares = shares_of(concurrency, lanes)
    assert sum(shares) == concurrency
    assert len(shares) == lanes
    assert max(shares) - min(shares) <= 1
