"""How many invalid rows are tolerated, and how long a plan takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_issuer.errors import UsageError
from batch_issuer.planning import MaxInvalid, estimate_seconds, seconds_between_calls


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("25", "25"),
        (" 0 ", "0"),
        ("007", "7"),
        ("10%", "10%"),
        ("10 %", "10%"),
        ("0.5%", "0.5%"),
        ("100%", "100%"),
        ("0%", "0%"),
        ("33.33333333%", "33.33333333%"),
    ],
)
def test_a_count_or_a_percentage_is_read_and_written_back(text: str, shown: str) -> None:
    read = MaxInvalid.parse(text)

    assert str(read) == shown
    assert MaxInvalid.parse(shown) == read


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "%",
        "-1",
        "-1%",
        "+1",
        "1.5",
        "100.1%",
        "101%",
        "10%%",
        "nan%",
        "inf%",
        "1e1%",
        "1_000",
        "\u0661\u0660",
        "ten",
        "10 percent",
        "9" * 5000,
    ],
)
def test_anything_else_is_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError, match="write a count like 25 or a percentage like 10%"):
        MaxInvalid.parse(text)


@pytest.mark.parametrize(
    ("text", "invalid", "rows", "allowed"),
    [
        ("2", 2, 3, True),
        ("2", 3, 3000, False),
        ("0", 0, 1, True),
        ("0", 1, 1000, False),
        ("10%", 1, 10, True),
        ("10%", 1, 9, False),
        ("10%", 0, 0, True),
        ("100%", 5, 5, True),
        ("0%", 1, 10**9, False),
        ("0.57%", 57, 10_000, True),
        ("0.57%", 58, 10_000, False),
    ],
)
def test_at_the_limit_is_allowed_and_over_it_is_not(
    text: str, invalid: int, rows: int, *, allowed: bool
) -> None:
    assert MaxInvalid.parse(text).allows(invalid=invalid, rows=rows) is allowed


@given(hundredths=st.integers(0, 10_000), rows=st.integers(0, 10**7))
def test_a_percentage_is_exact(hundredths: int, rows: int) -> None:
    limit = MaxInvalid.parse(f"{hundredths // 100}.{hundredths % 100:02}%")
    most = hundredths * rows // 10_000

    assert limit.allows(invalid=most, rows=rows)
    assert not limit.allows(invalid=most + 1, rows=rows)


def test_calls_are_paced_one_percent_under_the_rate() -> None:
    assert seconds_between_calls(100) == pytest.approx(0.60606, abs=1e-4)
    assert seconds_between_calls(0) == 0


def test_the_first_request_does_not_wait() -> None:
    assert estimate_seconds(0, rate=100) == 0
    assert estimate_seconds(1, rate=100) == 0
    assert estimate_seconds(100, rate=100) == pytest.approx(60)
    assert estimate_seconds(10_000, rate=0) == 0
