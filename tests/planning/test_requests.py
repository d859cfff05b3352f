"""Plans: each row in one place, each customer once, the same input the same requests."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_issuer.batch.ids import BatchId
from batch_issuer.batch.problem_columns import NO_PROBLEMS
from batch_issuer.batch.requests import Group, IssueRequest
from batch_issuer.intake import GROUP_COLUMNS, CheckedRows, GroupKey, RawBlock
from batch_issuer.intake.columns import Columns
from batch_issuer.planning import Plan, RowCollector, plan_requests

BATCH = BatchId("20260131-081500-0a1b2c")
GROUPS = (
    Group(badge_meta_id="a" * 24),
    Group(badge_meta_id="b" * 24),
    Group(badge_meta_id="a" * 24, owner_type="Loyalty", reference_id="r"),
    Group(badge_meta_id="a" * 24, owner_type="Loyalty", reference_id="R"),
    Group(badge_meta_id="a" * 24, issue_event_date="2026-01-31T00:00:00Z"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    number: int
    customer: int
    group: Group = GROUPS[0]


def checked(rows: Sequence[Row], keys: list[GroupKey]) -> CheckedRows:
    """Make the rows of one block of a file whose keys were met so far."""
    own = [tuple(getattr(row.group, name) for name in GROUP_COLUMNS) for row in rows]
    keys += [key for key in dict.fromkeys(own) if key not in keys]
    return CheckedRows(
        customers=np.array([row.customer for row in rows], dtype=np.int64),
        rows=np.array([row.number for row in rows], dtype=np.uint32),
        codes=np.array([keys.index(key) for key in own], dtype=np.int32),
        keys=keys,
        total=len(rows),
        problems=NO_PROBLEMS,
        repairs=Counter(),
        block=RawBlock(numbers=[], cells=[]),
        columns=Columns(header=(), positions={}),
        spoiled=frozenset(),
    )


def plan(rows: Sequence[Row], *, chunk_size: int = 100, cut_every: int = 1000) -> Plan:
    collector = RowCollector()
    keys: list[GroupKey] = []
    for start in range(0, len(rows), cut_every):
        collector.add(checked(rows[start : start + cut_every], keys))
    return plan_requests(collector.take(), chunk_size=chunk_size)


def requests(planned: Plan, *, org_id: str = "1", batch: BatchId = BATCH) -> list[IssueRequest]:
    return list(planned.requests(org_id=org_id, batch=batch))


def facts(planned: Plan) -> list[object]:
    """Put all that a plan says into plain values."""
    sent = [
        (r.request_id, r.chunk, r.group, r.customers.tolist(), r.rows.tolist()) for r in requests(planned)
    ]
    return [sent, planned.duplicates.tolist(), planned.repeated.tolist(), planned.group_sizes]


@st.composite
def sheets(draw: st.DrawFn) -> list[Row]:
    """Draw rows with rising numbers (blank and invalid rows leave gaps) and many repetitions."""
    pairs = draw(
        st.lists(
            st.tuples(
                st.integers(1, 3),
                st.one_of(st.integers(1, 6), st.just(2**63 - 1)),
                st.sampled_from(GROUPS),
            ),
            max_size=60,
        )
    )
    rows, number = [], 1
    for gap, customer, group in pairs:
        number += gap
        rows.append(Row(number=number, customer=customer, group=group))
    return rows


@settings(deadline=None)
@given(rows=sheets(), chunk_size=st.integers(1, 7))
def test_every_row_is_sent_once_or_repeats_one_that_is(rows: list[Row], chunk_size: int) -> None:
    planned = plan(rows, chunk_size=chunk_size)
    sent = [row for request in requests(planned) for row in request.rows.tolist()]
    duplicates = planned.duplicates.tolist()

    assert sorted([*sent, *duplicates]) == [row.number for row in rows]
    assert planned.customers == len(sent)
    assert duplicates == sorted(duplicates)


@settings(deadline=None)
@given(rows=sheets(), chunk_size=st.integers(1, 7))
def test_no_customer_gets_the_same_group_twice(rows: list[Row], chunk_size: int) -> None:
    pairs = [
        (customer, request.group)
        for request in requests(plan(rows, chunk_size=chunk_size))
        for customer in request.customers.tolist()
    ]

    assert len(pairs) == len(set(pairs))
    assert set(pairs) == {(row.customer, row.group) for row in rows}


@settings(deadline=None)
@given(rows=sheets(), chunk_size=st.integers(1, 7))
def test_a_request_carries_its_own_rows_in_input_order(rows: list[Row], chunk_size: int) -> None:
    of = {row.number: row for row in rows}
    by_group: dict[Group, list[int]] = {}
    for request in requests(plan(rows, chunk_size=chunk_size)):
        numbers = request.rows.tolist()
        assert 1 <= len(numbers) <= chunk_size
        assert [of[number].customer for number in numbers] == request.customers.tolist()
        assert {of[number].group for number in numbers} == {request.group}
        by_group.setdefault(request.group, []).extend(numbers)

    assert all(earlier < later for numbers in by_group.values() for earlier, later in pairwise(numbers))


@settings(deadline=None)
@given(rows=sheets(), chunk_size=st.integers(1, 7))
def test_there_are_as_few_requests_as_can_be(rows: list[Row], chunk_size: int) -> None:
    planned = plan(rows, chunk_size=chunk_size)
    distinct = {(row.customer, row.group) for row in rows}
    sizes = [sum(of == group for _, of in distinct) for group in dict.fromkeys(row.group for row in rows)]

    assert planned.group_sizes == sizes
    assert planned.request_count == len(requests(planned)) == sum(-(-n // chunk_size) for n in sizes)
    assert [request.chunk for request in requests(planned)] == list(range(1, planned.request_count + 1))


@settings(deadline=None)
@given(rows=sheets())
def test_a_duplicate_points_to_the_first_row_of_its_customer_and_group(rows: list[Row]) -> None:
    first: dict[tuple[int, Group], int] = {}
    expected = {}
    for row in rows:
        earlier = first.setdefault((row.customer, row.group), row.number)
        if earlier != row.number:
            expected[row.number] = earlier

    planned = plan(rows)

    assert dict(zip(planned.duplicates.tolist(), planned.repeated.tolist(), strict=True)) == expected


@settings(deadline=None)
@given(rows=sheets(), chunk_size=st.integers(1, 7), cut_every=st.integers(1, 20))
def test_the_same_rows_give_the_same_plan_however_they_were_cut_into_frames(
    rows: list[Row], chunk_size: int, cut_every: int
) -> None:
    whole, cut = plan(rows, chunk_size=chunk_size), plan(rows, chunk_size=chunk_size, cut_every=cut_every)

    assert facts(whole) == facts(cut)


@settings(deadline=None)
@given(rows=sheets(), chunk_size=st.integers(1, 7))
def test_request_ids_differ_by_chunk_organisation_and_batch(rows: list[Row], chunk_size: int) -> None:
    planned = plan(rows, chunk_size=chunk_size)
    other = BatchId("20260131-081501-0a1b2c")

    ids = [
        request.request_id
        for org_id, batch in (("1", BATCH), ("2", BATCH), ("1", other))
        for request in requests(planned, org_id=org_id, batch=batch)
    ]

    assert len(set(ids)) == len(ids) == 3 * planned.request_count
    assert all(len(request_id) <= 40 for request_id in ids)


def test_a_file_without_valid_rows_makes_an_empty_plan() -> None:
    planned = plan([])

    assert (planned.customers, planned.request_count, requests(planned)) == (0, 0, [])


def test_a_block_without_valid_rows_changes_nothing() -> None:
    collector = RowCollector()
    keys: list[GroupKey] = []
    collector.add(checked([], keys))
    collector.add(checked([Row(number=9, customer=1)], keys))

    assert collector.take().rows.tolist() == [9]


@pytest.mark.parametrize(("customers", "expected"), [(99, 1), (100, 1), (101, 2), (200, 2)])
def test_a_chunk_is_filled_before_the_next_begins(customers: int, expected: int) -> None:
    rows = [Row(number=n + 1, customer=n) for n in range(1, customers + 1)]

    assert plan(rows).request_count == expected


def test_the_same_customer_may_have_each_of_several_groups() -> None:
    rows = [Row(number=n, customer=5, group=group) for n, group in enumerate(GROUPS, start=2)]

    planned = plan(rows)

    assert planned.request_count == len(GROUPS)
    assert planned.duplicates.tolist() == []
    assert [request.group for request in requests(planned)] == list(GROUPS)
