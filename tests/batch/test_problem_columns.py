"""Problems as columns are the very problems that they were made of."""

from collections import Counter
from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from batch_issuer.batch.problem_columns import NO_PROBLEMS, ProblemColumns
from batch_issuer.batch.problems import InputProblem, Rule
from batch_issuer.reports import ProblemTally

problems = st.lists(
    st.builds(
        InputProblem,
        row=st.integers(2, 9) | st.integers(2, 2**32 - 1),
        column=st.sampled_from(["customer_id", "badge_meta_id", ""]),
        value=st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
        | st.sampled_from(["x" * 60, "x" * 61, "it's", ""]),
        rule=st.sampled_from(list(Rule)),
        hint=st.sampled_from(["", "did you mean Loyalty?"]),
    ),
    max_size=30,
)


@given(problems)
def test_problems_come_back_one_by_one(found: list[InputProblem]) -> None:
    columns = ProblemColumns.of(found)

    assert list(columns) == found
    assert len(columns) == len(found)
    assert columns.counts() == Counter(one.rule for one in found)


@given(st.lists(problems, max_size=4))
def test_joined_parts_stand_one_behind_the_other(parts: list[list[InputProblem]]) -> None:
    joined = ProblemColumns.joined([ProblemColumns.of(part) for part in parts])

    assert list(joined) == [one for part in parts for one in part]
    assert len(set(joined.kinds)) == len(joined.kinds)


@given(problems, st.randoms(use_true_random=False))
def test_some_can_be_taken_in_any_order(found: list[InputProblem], chance: Random) -> None:
    at = list(range(len(found)))
    chance.shuffle(at)

    assert list(ProblemColumns.of(found).take(np.array(at, dtype=np.intp))) == [found[i] for i in at]


@given(st.lists(problems, max_size=4))
def test_a_tally_of_columns_is_the_tally_of_their_problems(parts: list[list[InputProblem]]) -> None:
    at_once, one_by_one = ProblemTally(), ProblemTally()
    for part in parts:
        at_once.add_all(ProblemColumns.of(part))
        for problem in part:
            one_by_one.add(problem)

    assert at_once.as_json() == one_by_one.as_json()


def test_no_problems_are_no_problems() -> None:
    assert not NO_PROBLEMS
    assert list(NO_PROBLEMS) == []
    assert not NO_PROBLEMS.counts()
