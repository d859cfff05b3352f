"""Invalid rows in columns have the very problems of each, in whatever blocks these come."""

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from batch_issuer.batch.problem_columns import ProblemColumns
from batch_issuer.batch.problems import InputProblem, Rule
from batch_issuer.reports import problem_text
from batch_issuer.reports.invalid_rows import InvalidBlocks, InvalidRows

problems = st.lists(
    st.builds(
        InputProblem,
        row=st.integers(2, 12),
        column=st.sampled_from(["customer_id", "badge_meta_id"]),
        value=st.sampled_from(["", "x", 'a "b", c']),
        rule=st.sampled_from(list(Rule)),
    ),
    max_size=20,
).map(lambda found: sorted(found, key=lambda problem: problem.row))


def rows_of(found: list[InputProblem]) -> list[tuple[int, Rule, str]]:
    rows = [(row, list(some)) for row, some in groupby(found, key=lambda problem: problem.row)]
    return [(row, some[0].rule, problem_text(some)) for row, some in rows]


def listed(rows: InvalidRows) -> list[tuple[int, str, str]]:
    columns = rows.rows.tolist(), rows.rules().to_pylist(), rows.texts().to_pylist()
    return list(zip(*columns, strict=True))


@given(problems, st.integers(0, 12))
def test_rows_have_the_texts_of_all_of_their_problems(found: list[InputProblem], most: int) -> None:
    rows = InvalidRows.of(ProblemColumns.of(found))

    assert listed(rows) == rows_of(found)
    assert len(rows) == len(rows_of(found))
    assert listed(rows.first(most)) == rows_of(found)[:most]


@given(problems, st.integers(1, 8), st.integers(1, 12))
def test_rows_are_given_in_order_from_blocks_of_any_size(
    found: list[InputProblem], in_block: int, rows_at_once: int
) -> None:
    parts = [found[at : at + in_block] for at in range(0, len(found), in_block)]
    blocks = InvalidBlocks(ProblemColumns.of(part) for part in parts)

    given_rows = []
    end = 2
    while blocks.are_left:
        end += rows_at_once
        some = listed(blocks.take(end))
        assert all(row < end for row, _, _ in some)
        given_rows += some

    assert given_rows == rows_of(found)
    assert not len(blocks.take(end))
