"""What is packed comes back as it was."""

import zlib
from collections.abc import Callable

import numpy as np
import orjson
from hypothesis import given
from hypothesis import strategies as st

from batch_issuer.batch.outcomes import Reply, ServerError
from batch_issuer.batch.problem_columns import ProblemColumns
from batch_issuer.batch.problems import InputProblem, Rule
from batch_issuer.ledger import packing
from batch_issuer.ledger.replies import unpack_columns

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
problems = st.builds(
    InputProblem,
    row=st.integers(2, 2**32 - 1),
    column=texts,
    value=texts,
    rule=st.sampled_from(list(Rule)),
    hint=texts,
)
replies = st.builds(
    Reply,
    customer_id=st.integers(1, 2**63 - 1),
    issued_id=st.none() | texts,
    error=st.none() | st.builds(ServerError, code=texts, message=texts),
)


def customer_of(reply: Reply) -> int:
    return reply.customer_id


@given(st.lists(st.integers(1, 2**63 - 1)))
def test_customers_come_back(ids: list[int]) -> None:
    customers = np.array(ids, dtype=np.int64)
    packed = packing.pack_customers(customers)
    assert len(packed) == 8 * len(ids)
    unpacked = packing.unpack_customers(packed)
    assert unpacked.tolist() == ids
    assert unpacked.dtype.str == "<i8"


@given(st.lists(st.integers(1, 2**32 - 1)))
def test_row_numbers_come_back(numbers: list[int]) -> None:
    rows = np.array(numbers, dtype=np.uint32)
    unpacked = packing.unpack_rows(packing.pack_rows(rows))
    assert unpacked.tolist() == numbers
    assert unpacked.dtype.str == "<u4"


@given(st.lists(problems, max_size=20))
def test_problems_come_back(found: list[InputProblem]) -> None:
    assert list(packing.unpack_problems(packing.pack_problems(ProblemColumns.of(found)))) == found


@given(st.lists(problems, max_size=20))
def test_problems_that_were_packed_as_a_list_are_still_read(found: list[InputProblem]) -> None:
    listed = [[p.row, p.column, p.value, p.rule, p.hint] for p in found]

    assert list(packing.unpack_problems(zlib.compress(orjson.dumps(listed), level=1))) == found


@given(st.lists(replies, max_size=20, unique_by=customer_of))
def test_replies_come_back(given_replies: list[Reply]) -> None:
    assert packing.unpack_replies(packing.pack_replies(given_replies)) == given_replies


def as_json(given_replies: list[Reply]) -> bytes:
    """Pack replies as earlier versions did."""
    values = [
        [r.customer_id, r.issued_id, None if r.error is None else [r.error.code, r.error.message]]
        for r in given_replies
    ]
    return zlib.compress(orjson.dumps(values), level=1)


@given(st.lists(replies, max_size=20, unique_by=customer_of))
def test_replies_that_an_earlier_version_packed_come_back(given_replies: list[Reply]) -> None:
    assert packing.unpack_replies(as_json(given_replies)) == given_replies


@given(
    st.lists(
        st.tuples(
            st.lists(replies, max_size=5, unique_by=customer_of),
            st.sampled_from([packing.pack_replies, as_json]),
        )
    )
)
def test_the_replies_of_many_requests_come_back_at_once(
    given_replies: list[tuple[list[Reply], Callable[[list[Reply]], bytes]]],
) -> None:
    columns, counts = unpack_columns([pack(some) for some, pack in given_replies])
    assert list(columns) == [reply for some, _ in given_replies for reply in some]
    assert counts.tolist() == [len(some) for some, _ in given_replies]


def test_a_reply_for_an_id_that_no_customer_can_have_is_left_out() -> None:
    ours, strange = (Reply(customer_id=n, issued_id="a1", error=None) for n in (2**63 - 1, 2**63))
    assert packing.unpack_replies(packing.pack_replies([strange, ours])) == [ours]
    assert packing.unpack_replies(as_json([strange, ours])) == [ours]


def test_of_two_replies_for_a_customer_the_later_counts() -> None:
    first, last = (Reply(customer_id=1, issued_id=issued_id, error=None) for issued_id in ("a", "b"))
    assert packing.unpack_replies(packing.pack_replies([first, last])) == [last]
