"""Ids: the same facts give the same id, other facts another one."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_issuer.batch.ids import BatchId, is_batch_id, make_batch_id, make_request_id

DIGEST = "0a1b2c" + "0" * 58
BATCH = BatchId("20260131-081500-0a1b2c")
FACTS = st.fixed_dictionaries(
    {
        "org_id": st.text("0123456789abc-", max_size=12),
        "batch": st.sampled_from([BATCH, BatchId("20260131-081500-0a1b2d")]),
        "chunk": st.integers(1, 10**9),
        "halvings": st.text("01", max_size=12),
        "generation": st.integers(0, 99),
    }
)


def test_a_batch_is_named_after_its_second_in_utc_and_its_content() -> None:
    in_tokyo = datetime(2026, 1, 31, 17, 15, 0, 999_999, tzinfo=timezone(timedelta(hours=9)))

    assert make_batch_id(accepted_at=in_tokyo, sha256=DIGEST) == BATCH
    assert make_batch_id(accepted_at=datetime(2026, 1, 31, 8, 15, tzinfo=UTC), sha256=DIGEST) == BATCH


def test_the_form_of_a_batch_id_is_recognised() -> None:
    assert is_batch_id(BATCH)


@pytest.mark.parametrize(
    "text",
    [
        "",
        BATCH.upper(),
        f"{BATCH}\n",
        f" {BATCH}",
        f"../{BATCH}",
        BATCH[:-1],
        f"{BATCH}0",
        BATCH.replace("2", "\u0662"),
    ],
)
def test_nothing_else_is_taken_for_a_batch_id(text: str) -> None:
    assert not is_batch_id(text)


@given(facts=FACTS)
def test_a_request_id_follows_from_its_facts_and_fits_the_contract(facts: dict[str, str]) -> None:
    request = make_request_id(**facts)  # type: ignore[arg-type]  # hypothesis draws a plain dict

    assert request == make_request_id(**facts)  # type: ignore[arg-type]  # as above
    assert request.startswith(facts["batch"])
    assert len(request) <= 40
    assert request.isascii()
    assert request.replace("-", "").isalnum()


@given(one=FACTS, other=FACTS)
def test_other_facts_give_another_request_id(one: dict[str, str], other: dict[str, str]) -> None:
    ids = {make_request_id(**facts) for facts in (one, other)}  # type: ignore[arg-type]  # a plain dict

    assert len(ids) == (1 if one == other else 2)


def test_each_fact_counts() -> None:
    plain = {"org_id": "1", "batch": BATCH, "chunk": 1}
    changes: list[dict[str, object]] = [
        {},
        {"org_id": "2"},
        {"batch": BatchId("20260131-081501-0a1b2c")},
        {"chunk": 11},
        {"org_id": "11"},
        {"halvings": "0"},
        {"halvings": "00"},
        {"halvings": "1"},
        {"generation": 1},
    ]

    ids = {make_request_id(**{**plain, **change}) for change in changes}  # type: ignore[arg-type]  # plain dicts

    assert len(ids) == len(changes)


@given(facts=FACTS, chunk=st.integers(1, 50_000_000))
def test_request_ids_of_a_batch_follow_each_other_as_its_chunks_do(facts: dict[str, str], chunk: int) -> None:
    one, next_one = (
        make_request_id(**{**facts, "chunk": number})  # type: ignore[arg-type]  # a plain dict
        for number in (chunk, chunk + 1)
    )

    assert one < next_one
