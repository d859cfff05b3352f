"""Messages that are written many at once are those of their problems."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_issuer.batch.problem_columns import NO_PROBLEMS, ProblemColumns
from batch_issuer.batch.problem_messages import messages
from batch_issuer.batch.problems import InputProblem, Rule

long = st.text(st.sampled_from("0é\n"), min_size=58, max_size=63)
values = st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | st.from_regex("[ -~]{0,61}") | long
problems = st.lists(
    st.builds(
        InputProblem,
        row=st.integers(2, 9),
        column=st.sampled_from(["customer_id", "badge_meta_id", ""]),
        value=values,
        rule=st.sampled_from(list(Rule)),
        hint=st.sampled_from(["", "did you mean Loyalty?"]),
    ),
    max_size=20,
)


@given(problems)
def test_messages_in_columns_are_those_of_the_problems(found: list[InputProblem]) -> None:
    assert messages(ProblemColumns.of(found)).to_pylist() == [problem.message for problem in found]


@pytest.mark.parametrize(
    "value", ["x" * 60, "x" * 61, "\n" * 60, "\n" * 61, "é" * 61, "\x7f", "\x00", "\u202e", "a\u00a0b", "~ ~"]
)
def test_a_value_is_shown_alike(value: str) -> None:
    found = [
        InputProblem(row=2, column="customer_id", value=one, rule=Rule.NOT_A_NUMBER) for one in ("1", value)
    ]

    assert messages(ProblemColumns.of(found)).to_pylist() == [problem.message for problem in found]


def test_no_problems_have_no_messages() -> None:
    assert messages(NO_PROBLEMS).to_pylist() == []
