"""What became of many customers at once is what the outcome rule says of each."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from batch_issuer.batch.outcomes import Outcome, Reply, RowOutcome, ServerError, Settlement, row_outcome
from batch_issuer.batch.stages import Stage
from batch_issuer.ledger.packing import pack_replies
from batch_issuer.ledger.request_columns import RequestColumns
from batch_issuer.reports.cells import protected_cells, texts_of
from batch_issuer.reports.fates import OUTCOMES, Fates
from batch_issuer.reports.replied import tell

customers = st.integers(1, 6)
"""So few that most stand in several requests."""
errors = st.builds(ServerError, code=st.sampled_from(["", "1"]), message=st.sampled_from(["", "no"]))
replies = st.builds(
    Reply,
    customer_id=customers,
    issued_id=st.none() | st.sampled_from(["", "a1", "=1", 'x,"']),
    error=st.none() | errors,
)
requests = st.tuples(
    st.sampled_from(list(Stage)),
    st.none() | st.sampled_from([Outcome.PENDING, Outcome.FAILED, Outcome.REJECTED]),
    errors,
    st.lists(customers, unique=True, min_size=1),
    st.none() | st.lists(replies, unique_by=lambda reply: reply.customer_id),
)
Given = tuple[Stage, Outcome | None, ServerError, list[int], list[Reply] | None]


def columns_of(given_requests: Sequence[Given]) -> RequestColumns:
    count = len(given_requests)
    return RequestColumns(
        request_id=[f"r{n}" for n in range(count)],
        badge_meta_id=["b"] * count,
        owner_type=[""] * count,
        reference_id=[""] * count,
        issue_event_date=[""] * count,
        customers=[len(ids) for _, _, _, ids, _ in given_requests],
        stage=[stage.value for stage, _, _, _, _ in given_requests],
        workflow_request_id=["w"] * count,
        state=["s"] * count,
        outcome=[outcome or "" for _, outcome, _, _, _ in given_requests],
        is_definite=[0] * count,
        http_status=[None] * count,
        error_code=[error.code for _, _, error, _, _ in given_requests],
        error_message=[error.message for _, _, error, _, _ in given_requests],
        attempts=[1] * count,
        doubts=[0] * count,
        submitted_at=[""] * count,
        updated_at=[""] * count,
    )


def one_by_one(given_requests: Sequence[Given]) -> list[RowOutcome]:
    return [
        row_outcome(
            stage,
            Settlement(
                outcome=outcome,
                is_final=True,
                error=error,
                replies={reply.customer_id: reply for reply in said or ()},
            ),
            customer,
        )
        for stage, outcome, error, ids, said in given_requests
        for customer in ids
    ]


@given(st.lists(requests, min_size=1, max_size=6))
def test_many_customers_at_once_become_what_the_outcome_rule_says(given_requests: list[Given]) -> None:
    told = tell(
        Fates.of(columns_of(given_requests)),
        np.repeat(np.arange(len(given_requests)), [len(ids) for _, _, _, ids, _ in given_requests]),
        np.array([customer for _, _, _, ids, _ in given_requests for customer in ids], dtype=np.int64),
        [None if said is None else pack_replies(said) for _, _, _, _, said in given_requests],
    )
    expected = one_by_one(given_requests)
    fates = told.fates.take(told.fate_of)
    assert [OUTCOMES[code] for code in fates.outcomes.tolist()] == [one.outcome for one in expected]
    assert fates.codes.to_pylist() == [one.error.code for one in expected]
    assert fates.messages.to_pylist() == [one.error.message for one in expected]
    ids = protected_cells(texts_of([one.issued_id for one in expected]))
    assert (told.issued_ids or texts_of([""] * len(expected))).to_pylist() == ids.to_pylist()
    assert fates.names.to_pylist() == [
        f"r{n},w,s" for n, (_, _, _, own, _) in enumerate(given_requests) for _ in own
    ]
