"""What is packed comes back as it was."""

import zlib

import numpy as np
import orjson
from hypothesis import given
from hypothesis import strategies as st

from batch_issuer.batch.outcomes import Reply, ServerError
from batch_issuer.batch.problem_columns import ProblemColumns
from batch_issuer.batch.problems import InputProblem, Rule
from batch_issuer.ledger import packing

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


@given(st.lists(replies, max_size=20))
def test_replies_come_back(given_replies: list[Reply]) -> None:
    assert packing.unpack_replies(packing.pack_replies(given_replies)) == given_replies
