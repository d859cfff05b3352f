"""Leases: one owner at a time, replaced when it is provably dead or its time has run out."""

import asyncio
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from batch_issuer.batch.stages import Stage
from batch_issuer.errors import BatchTakenOver
from batch_issuer.ledger import Answered, LeaseKey, Ledger, Missing, RequestRecord, Sending, Transition
from batch_issuer.ledger.leases import (
    Claim,
    Holder,
    check_lease,
    find_holder,
    release_lease,
    renew_lease,
    take_lease,
)
from batch_issuer.ledger.requests import iterate_records
from batch_issuer.ledger.transitions import apply_transitions, mark_interrupted
from batch_issuer.planning import halve
from batch_issuer.processes import Process, this_process
from tests.conftest import (
    BATCH,
    KEY,
    FakeClock,
    make_claim,
    make_request,
    make_requests,
    plan,
    records_of,
)
from tests.contract.ledger.conftest import OpenAgain

OURS = LeaseKey(name="b", owner="ours")
THEIRS = LeaseKey(name="b", owner="theirs")
ELSEWHERE = replace(this_process(), host="elsewhere", boot="another boot")
AT = "2026-03-02T04:45:00Z"


async def take(ledger: Ledger, key: LeaseKey, claim: Claim | None = None) -> Holder | None:
    return await ledger.write(take_lease, key, claim or make_claim(ledger))


async def test_a_lease_has_one_owner_until_it_is_given_back(ledger: Ledger) -> None:
    assert await take(ledger, OURS) is None
    held = await take(ledger, THEIRS)
    assert held is not None
    assert held.process == this_process()
    await ledger.write(release_lease, OURS)
    assert await take(ledger, THEIRS) is None


async def test_of_many_who_ask_at_once_one_gets_it(ledger: Ledger, open_again: OpenAgain) -> None:
    async with open_again() as other:
        keys = [LeaseKey(name="b", owner=f"owner {n}") for n in range(20)]
        ledgers = [ledger, other] * 10
        told = await asyncio.gather(*(take(at, key) for at, key in zip(ledgers, keys, strict=True)))
    assert sum(holder is None for holder in told) == 1


async def test_leases_of_two_batches_have_nothing_to_do_with_each_other(ledger: Ledger) -> None:
    assert await take(ledger, OURS) is None
    assert await take(ledger, LeaseKey(name="another", owner="theirs")) is None


def a_process_that_ended() -> Process:
    code = "from batch_issuer.processes import this_process as t; p = t(); print(p.pid, p.started)"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    pid, started = told.split()
    return replace(this_process(), pid=int(pid), started=started)


async def test_an_owner_that_ended_is_replaced_at_once(ledger: Ledger) -> None:
    dead = a_process_that_ended()
    assert await take(ledger, OURS, make_claim(ledger, process=dead)) is None
    assert await take(ledger, THEIRS) is None


async def test_a_pid_that_was_given_to_another_process_does_not_count_as_its_owner(ledger: Ledger) -> None:
    before = replace(this_process(), started="1")
    assert await take(ledger, OURS, make_claim(ledger, process=before)) is None
    assert await take(ledger, THEIRS) is None


@pytest.mark.parametrize("what", ["boot", "namespace"])
async def test_nobody_is_provably_dead_in_another_boot_or_container(ledger: Ledger, what: str) -> None:
    there: Process = replace(this_process(), **{what: "another"}, pid=2**30)
    assert await take(ledger, OURS, make_claim(ledger, process=there)) is None
    held = await take(ledger, THEIRS)
    assert held is not None
    assert held.process == there


async def test_nobody_is_provably_dead_where_the_system_tells_nothing_of_its_start(ledger: Ledger) -> None:
    there = replace(this_process(), boot="", pid=2**30)
    assert await take(ledger, OURS, make_claim(ledger, process=there)) is None
    assert await take(ledger, THEIRS, make_claim(ledger, process=replace(there, pid=1))) is not None


async def test_an_owner_elsewhere_is_replaced_when_its_time_has_run_out_by_the_ledgers_clock(
    ledger: Ledger, time: FakeClock
) -> None:
    assert await take(ledger, OURS, make_claim(ledger, process=ELSEWHERE, uptime=1e6)) is None
    time.advance(59)
    held = await take(ledger, THEIRS)
    assert held is not None
    assert held.left == timedelta(seconds=1)
    time.advance(1)
    assert await take(ledger, THEIRS) is None


async def test_a_clock_that_is_set_replaces_no_owner_of_the_same_machine(
    ledger: Ledger, time: FakeClock
) -> None:
    assert await take(ledger, OURS, make_claim(ledger, uptime=100)) is None
    time.advance(86_400)
    assert await take(ledger, THEIRS, make_claim(ledger, uptime=159)) is not None
    assert await take(ledger, THEIRS, make_claim(ledger, uptime=160)) is None


async def test_a_lease_that_is_renewed_runs_on(ledger: Ledger) -> None:
    assert await take(ledger, OURS, make_claim(ledger, uptime=100)) is None
    assert await ledger.write(renew_lease, OURS, make_claim(ledger, uptime=150))
    assert await take(ledger, THEIRS, make_claim(ledger, uptime=209)) is not None


async def test_a_lease_that_ran_out_is_renewed_as_long_as_nobody_took_it(ledger: Ledger) -> None:
    assert await take(ledger, OURS, make_claim(ledger, uptime=100)) is None
    assert await ledger.write(renew_lease, OURS, make_claim(ledger, uptime=1_000))
    assert await take(ledger, THEIRS, make_claim(ledger, uptime=1_000)) is not None


async def test_whoever_lost_a_lease_can_neither_renew_it_nor_give_it_back_nor_use_it(ledger: Ledger) -> None:
    assert await take(ledger, OURS, make_claim(ledger, uptime=100)) is None
    assert await take(ledger, THEIRS, make_claim(ledger, uptime=200)) is None
    assert not await ledger.write(renew_lease, OURS, make_claim(ledger, uptime=201))
    await ledger.write(release_lease, OURS)
    with pytest.raises(BatchTakenOver, match="b"):
        await ledger.write(check_lease, OURS)
    await ledger.write(check_lease, THEIRS)


async def test_asking_who_holds_a_lease_takes_it_from_nobody(ledger: Ledger) -> None:
    nobody = LeaseKey(name="b", owner="")
    assert await ledger.write(find_holder, nobody, make_claim(ledger)) is None
    await take(ledger, OURS)
    held = await ledger.write(find_holder, nobody, make_claim(ledger))
    assert held is not None
    await ledger.write(check_lease, OURS)


@pytest.fixture
async def taken_over(ledger: Ledger) -> Ledger:
    """Hold a batch whose first request was under way when another process took it over."""
    await plan(ledger, make_requests(3))
    await apply(ledger, Sending(lease=KEY, request_id=make_request().request_id, attempt=1, at=AT))
    theirs = LeaseKey(name=BATCH, owner="theirs")
    assert await take(ledger, theirs, make_claim(ledger, uptime=1_000)) is None
    return ledger


async def apply(ledger: Ledger, *steps: Transition) -> None:
    await ledger.write(apply_transitions, steps)


def answer(stage: Stage) -> Answered:
    halves = halve(make_request(), org_id="o", batch=BATCH) if stage is Stage.SPLIT else None
    request_id = make_request().request_id
    return Answered(
        lease=KEY, request_id=request_id, attempt=1, sent_at=AT, at=AT, stage=stage, halves=halves
    )


async def test_a_process_that_lost_its_batch_marks_nothing_for_sending(taken_over: Ledger) -> None:
    with pytest.raises(BatchTakenOver):
        await apply(
            taken_over, Sending(lease=KEY, request_id=make_request(chunk=2).request_id, attempt=1, at=AT)
        )
    assert [record.stage for record in await records_of(taken_over)][1] is Stage.NOT_SENT


async def test_a_process_that_lost_its_batch_calls_nothing_missing(taken_over: Ledger) -> None:
    await taken_over.write(mark_interrupted, BATCH, AT)
    with pytest.raises(BatchTakenOver):
        await apply(taken_over, Missing(lease=KEY, request_id=make_request().request_id, at=AT))
    assert (await records_of(taken_over))[0].stage is Stage.IN_DOUBT


@pytest.mark.parametrize("stage", [Stage.REFUSED, Stage.NOT_SENT, Stage.SPLIT, Stage.IN_DOUBT])
async def test_an_answer_that_comes_after_the_new_owner_looked_changes_nothing(
    taken_over: Ledger, stage: Stage
) -> None:
    await taken_over.write(mark_interrupted, BATCH, AT)
    before = await all_records(taken_over)
    await apply(taken_over, answer(stage))
    assert await all_records(taken_over) == before


@pytest.mark.parametrize("stage", [Stage.REFUSED, Stage.SPLIT])
async def test_an_answer_to_an_attempt_of_the_old_owner_does_not_settle_one_of_the_new(
    taken_over: Ledger, stage: Stage
) -> None:
    theirs = LeaseKey(name=BATCH, owner="theirs")
    request_id = make_request().request_id
    await taken_over.write(mark_interrupted, BATCH, AT)
    await apply(taken_over, Missing(lease=theirs, request_id=request_id, at=AT))
    await apply(taken_over, Sending(lease=theirs, request_id=request_id, attempt=2, at=AT))
    before = await all_records(taken_over)
    await apply(taken_over, answer(stage))
    assert await all_records(taken_over) == before


async def test_an_answer_that_comes_before_the_new_owner_looked_is_the_truth(taken_over: Ledger) -> None:
    await apply(taken_over, answer(Stage.REFUSED))
    assert (await records_of(taken_over))[0].stage is Stage.REFUSED


async def all_records(ledger: Ledger) -> list[RequestRecord]:
    return await ledger.read(lambda c: list(iterate_records(c, BATCH)))
