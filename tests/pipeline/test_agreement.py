"""The simulator's own record and the reconciliation must agree, row by row."""

from pathlib import Path

import pytest

from batch_issuer.sandbox import Scenario
from tests.pipeline.world import customers, open_world, reconciliation

FATES = {
    "all approved": Scenario(decide_after_seconds=1),
    "auto-approved": Scenario(decide_after_seconds=0),
    "nobody decides": Scenario(),
    "some of everything": Scenario(
        decide_after_seconds=1,
        seed=11,
        reject_share=0.2,
        fail_share=0.2,
        leave_share=0.2,
        holder_share=0.1,
        omit_share=0.1,
    ),
    "all rejected": Scenario(decide_after_seconds=1, reject_share=1),
    "all failed": Scenario(decide_after_seconds=1, fail_share=1),
    "auto-approved with failures": Scenario(
        decide_after_seconds=0, seed=5, fail_share=0.3, holder_share=0.3, omit_share=0.2
    ),
}


@pytest.mark.parametrize("fate", FATES)
async def test_the_reconciliation_tells_the_simulators_truth(tmp_path: Path, fate: str) -> None:
    async with open_world(tmp_path, FATES[fate], chunk_size=7) as world:
        summary = await world.issue(world.write(customers(300, badges=4)), wait=200)
        truth = _expected(world.sandbox.truth()["requests"])
    lines = reconciliation(summary)
    told = {(int(ln["customer_id"]), ln["badge_meta_id"]): (ln["outcome"], ln["issued_id"]) for ln in lines}
    assert len(lines) == len(told) == 300
    assert told == truth
    assert summary.is_balanced


async def test_a_hundred_thousand_rows_are_accounted_for_in_order(tmp_path: Path) -> None:
    async with open_world(tmp_path, Scenario(decide_after_seconds=0), chunk_size=1000) as world:
        summary = await world.issue(world.write(customers(100_000, badges=20)))
        sent = sum(len(record.customers) for record in world.sandbox.requests)
        assert world.sandbox.posts == 20 * 5
    lines = reconciliation(summary)
    assert [int(line["row"]) for line in lines] == list(range(2, 100_002))
    assert {line["outcome"] for line in lines} == {"issued"}
    assert sent == 100_000
    assert summary.is_balanced


Truth = dict[tuple[int, str], tuple[str, str]]


def _expected(requests: list[dict[str, object]]) -> Truth:
    """Say what each customer's line must tell, from the simulator's side alone."""
    expected: Truth = {}
    for request in requests:
        results = {r["customer_id"]: r for r in request["results"]}  # type: ignore[attr-defined] # plain JSON
        for customer in request["customers"]:  # type: ignore[attr-defined] # plain JSON
            key = (customer, str(request["badge_meta_id"]))
            expected[key] = _word(str(request["state"]), results.get(customer))
    return expected


def _word(state: str, result: dict[str, str] | None) -> tuple[str, str]:
    match state, result:
        case "AdminTask", _:
            return "pending", ""
        case "rejected", _:
            return "rejected", ""
        case "failed", _:
            return "failed", ""
        case _, {"result": "issued", "issued_id": issued_id}:
            return "issued", issued_id
        case _, {"result": "held"}:
            return "issue_failed", ""
        case _:
            return "unaccounted", ""
