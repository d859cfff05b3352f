"""The array part of the guard, held to a naive model."""

from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_issuer.batch.holding import OtherRequest
from batch_issuer.batch.ids import RequestId
from batch_issuer.batch.outcomes import Outcome, Settlement
from batch_issuer.batch.requests import Group
from batch_issuer.batch.stages import Stage
from batch_issuer.planning import Plan, find_held
from tests.planning.test_requests import GROUPS, Row, plan, requests, sheets


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    group: Group
    customers: tuple[int, ...]
    is_held: bool
    number: int = 0


@st.composite
def others_by_group(draw: st.DrawFn) -> list[Other]:
    customer = st.one_of(st.integers(1, 7), st.just(2**63 - 1), st.just(2**62))
    drawn = draw(
        st.lists(
            st.builds(
                Other,
                group=st.sampled_from([*GROUPS, Group(badge_meta_id="f" * 24)]),
                customers=st.lists(customer, min_size=1, max_size=5, unique=True).map(tuple),
                is_held=st.booleans(),
            ),
            max_size=8,
        )
    )
    return sorted(drawn, key=lambda other: str(other.group))


def request(place: int, other: Other) -> OtherRequest:
    outcome = Outcome.PENDING if other.is_held else Outcome.REJECTED
    return OtherRequest(
        request_id=RequestId(str(place)),
        group=other.group,
        customers=np.array(other.customers, dtype=np.int64),
        stage=Stage.SUBMITTED,
        settlement=lambda: Settlement(outcome=outcome, is_final=True),
    )


def guarded(planned: Plan, others: list[Other]) -> Plan:
    return planned.without(find_held(planned, (request(n, other) for n, other in enumerate(others))))


def naive(rows: list[Row], others: list[Other]) -> dict[int, tuple[int, str]]:
    """Say which rows are held, by customer and request, one row at a time."""
    expected: dict[int, tuple[int, str]] = {}
    seen: set[tuple[int, Group]] = set()
    for row in rows:
        holders = [
            str(place)
            for place, other in enumerate(others)
            if other.is_held and other.group == row.group and row.customer in other.customers
        ]
        if holders and (row.customer, row.group) not in seen:
            expected[row.number] = (row.customer, holders[0])
        seen.add((row.customer, row.group))
    return expected


@settings(deadline=None)
@given(rows=sheets(), others=others_by_group(), chunk_size=st.integers(1, 7))
def test_the_held_rows_are_those_of_a_naive_model_and_no_others_are_left_out(
    rows: list[Row], others: list[Other], chunk_size: int
) -> None:
    before = plan(rows, chunk_size=chunk_size)
    after = guarded(before, others)
    held = after.held
    told = {
        row: (customer, held.request_ids[holder])
        for row, customer, holder in zip(
            held.rows.tolist(), held.customers.tolist(), held.holders.tolist(), strict=True
        )
    }
    sent = [row for r in requests(after) for row in r.rows.tolist()]

    assert told == naive(rows, others)
    assert held.rows.tolist() == sorted(held.rows.tolist())
    assert sorted([*sent, *held.rows.tolist(), *after.duplicates.tolist()]) == [row.number for row in rows]
    assert after.duplicates.tolist() == before.duplicates.tolist()


@settings(deadline=None)
@given(rows=sheets(), others=others_by_group(), chunk_size=st.integers(1, 7))
def test_a_guarded_plan_is_the_plan_of_the_file_without_the_held_rows(
    rows: list[Row], others: list[Other], chunk_size: int
) -> None:
    after = guarded(plan(rows, chunk_size=chunk_size), others)
    held = set(after.held.rows.tolist())
    held_pairs = {(row.customer, row.group) for row in rows if row.number in held}
    shorter = plan([r for r in rows if (r.customer, r.group) not in held_pairs], chunk_size=chunk_size)

    facts = [
        [(r.group, r.customers.tolist(), r.rows.tolist()) for r in requests(p)] for p in (after, shorter)
    ]
    assert sorted(facts[0], key=str) == sorted(facts[1], key=str)
    assert after.request_count == shorter.request_count
    assert after.customers == shorter.customers
