"""Runs and live figures, as each database keeps them."""

import asyncio
from dataclasses import replace

from sqlalchemy import Connection, update

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.batch.ids import BatchId
from batch_issuer.batch.outcomes import Outcome
from batch_issuer.batch.stages import Stage
from batch_issuer.ledger import BatchStage, Ledger, tables
from batch_issuer.ledger.batches import insert_batch, update_batch
from batch_issuer.ledger.live import Live, live_figures
from batch_issuer.ledger.requests import iterate_records
from batch_issuer.ledger.runs import (
    Action,
    IdempotencyKey,
    Run,
    add_run,
    end_run,
    find_key,
    find_run,
    list_open_runs,
    makers_of,
    note_batch,
    runs_of_batch,
    runs_of_upload,
)
from batch_issuer.ledger.transitions import apply_transitions
from batch_issuer.ledger.uploads import Upload, find_upload, insert_upload
from tests.conftest import BATCH, make_batch, make_requests, plan
from tests.contract.ledger.test_transitions import LATER, accepted, answered, said, sending

UPLOAD = "00112233aabbccdd"
AT = "2026-03-02T04:45:00Z"


def issuing(run: str = "a1", **facts: object) -> Run:
    known = {"action": Action.ISSUE, "upload": UPLOAD, "user": "mia", "via": "page", "made_at": AT}
    return Run(run=run, **{**known, **facts})  # type: ignore[arg-type]


def doing(action: Action, run: str, user: str = "tom") -> Run:
    return Run(run=run, action=action, batch=BATCH, user=user, via="page", made_at=AT)


async def test_a_run_is_found_as_it_was_recorded_until_it_ends(ledger: Ledger) -> None:
    made = issuing(options={"path": "x"})
    assert await ledger.write(add_run, made) == made
    assert await ledger.read(find_run, "a1") == made
    assert await ledger.read(list_open_runs) == [made]
    assert await ledger.write(
        end_run, "a1", at=LATER, exit_code=ExitCode.NOT_FINISHED, message="the server is down"
    )
    assert not await ledger.write(end_run, "a1", at=LATER, exit_code=ExitCode.DONE, message="")
    assert await ledger.read(list_open_runs) == []
    assert await ledger.read(find_run, "a1") == replace(
        made, ended_at=LATER, exit_code=ExitCode.NOT_FINISHED, message="the server is down"
    )
    assert await ledger.read(find_run, "no such run") is None


async def test_of_many_at_once_one_run_issues_an_upload(ledger: Ledger) -> None:
    clicks = [ledger.write(add_run, issuing(f"a{n}")) for n in range(6)]
    made = await asyncio.gather(*clicks)
    assert len({run.run for run in made}) == 1
    assert len(await ledger.read(list_open_runs)) == 1


async def test_an_upload_that_became_a_batch_is_issued_no_more_and_a_refused_one_is(ledger: Ledger) -> None:
    first = await ledger.write(add_run, issuing())
    await ledger.write(insert_batch, replace(make_batch(stage=BatchStage.RECORDING), upload=UPLOAD))
    assert (await ledger.read(list_open_runs))[0].batch == BATCH
    await ledger.write(end_run, first.run, at=LATER, exit_code=ExitCode.NOT_FINISHED, message="")
    assert (await ledger.write(add_run, issuing("a2"))).run == "a1"
    await ledger.write(update_batch, BATCH, {"stage": BatchStage.REFUSED})
    again = await ledger.write(add_run, issuing("a3"))
    assert again.run == "a3"
    found = await ledger.read(find_run, "a3")
    assert found is not None
    assert found.batch == ""  # what was refused before is not what it makes
    later = BatchId("20260302-050000-abcdef")
    await ledger.write(insert_batch, replace(make_batch(), batch=later, upload=UPLOAD))
    found = await ledger.read(find_run, "a3")
    assert found is not None
    assert found.batch == later
    assert [run.run for run in await ledger.read(runs_of_upload, UPLOAD)] == ["a3", "a1"]


async def test_an_upload_is_told_which_batch_it_became_unless_that_was_refused(ledger: Ledger) -> None:
    upload = Upload(
        upload=UPLOAD, user="mia", file_name="may.csv", kind="csv", size=3, sha256="ab", created_at=AT
    )
    await ledger.write(insert_upload, upload)
    run = await ledger.write(add_run, issuing())
    await ledger.write(insert_batch, replace(make_batch(stage=BatchStage.REFUSED), upload=UPLOAD))
    await ledger.write(note_batch, run, BATCH)
    assert await ledger.read(find_upload, UPLOAD) == upload
    await ledger.write(update_batch, BATCH, {"stage": BatchStage.ACCEPTED})
    await ledger.write(note_batch, run, BATCH)
    assert await ledger.read(find_upload, UPLOAD) == replace(upload, batch=BATCH)


async def test_a_batch_has_one_run_of_each_kind(ledger: Ledger) -> None:
    issue = await ledger.write(add_run, issuing())
    await ledger.write(insert_batch, replace(make_batch(), upload=UPLOAD))
    assert (await ledger.write(add_run, doing(Action.RESUME, "b1"))).run == issue.run
    assert (await ledger.write(add_run, doing(Action.REFRESH, "b2"))).run == "b2"
    assert (await ledger.write(add_run, doing(Action.REFRESH, "b3"))).run == "b2"
    assert (await ledger.write(add_run, doing(Action.APPROVE, "b4", user="ben"))).run == "b4"
    assert (await ledger.write(add_run, doing(Action.REJECT, "b5"))).run == "b4"
    await ledger.write(end_run, issue.run, at=LATER, exit_code=ExitCode.NOT_FINISHED, message="")
    added_by_who_decides = doing(Action.RETRY, "b8", user="ben")
    assert (await ledger.write(add_run, added_by_who_decides)).run == "b4"
    assert (await ledger.write(add_run, doing(Action.RETRY, "b6"))).run == "b6"
    assert (await ledger.write(add_run, doing(Action.RESUME, "b7"))).run == "b6"
    assert {run.run for run in await ledger.read(runs_of_batch, BATCH)} == {"a1", "b2", "b4", "b6"}


async def test_makers_are_who_issued_resumed_or_retried(ledger: Ledger) -> None:
    await ledger.write(insert_batch, replace(make_batch(), upload=UPLOAD, issued_by="root"))
    assert await ledger.read(makers_of, BATCH) == {"root"}
    await ledger.write(insert_batch, replace(make_batch(), batch=BatchId("other"), issued_by=""))
    assert await ledger.read(makers_of, "other") == frozenset()
    for number, action in enumerate(Action):
        if action is not Action.ISSUE:
            run = await ledger.write(add_run, doing(action, f"c{number}", user=action.value))
            await ledger.write(end_run, run.run, at=LATER, exit_code=ExitCode.DONE, message="")
    assert await ledger.read(makers_of, BATCH) == {"root", "resume", "retry"}


async def test_a_key_is_kept_with_its_run_alone(ledger: Ledger) -> None:
    key = IdempotencyKey(key="order 7", digest="aa")
    run = await ledger.write(add_run, issuing(user="shop"), key)
    kept = await ledger.read(find_key, "shop", "order 7")
    assert kept is not None
    assert (kept.run, kept.digest) == (run.run, "aa")
    other = IdempotencyKey(key="order 8", digest="bb")
    await ledger.write(add_run, issuing("a2", user="shop"), other)  # stands in the way: it is the first
    assert await ledger.read(find_key, "shop", "order 8") is None
    assert await ledger.read(find_key, "else", "order 7") is None


async def test_live_figures_follow_the_requests(ledger: Ledger) -> None:
    await plan(ledger, make_requests(4))
    assert await ledger.read(live_figures, "no such batch") == Live()
    started = await ledger.read(live_figures, BATCH)
    assert (started.requests, started.at_rest, started.rows) == (4, 0, {Outcome.NOT_SENT: 8})
    await ledger.write(apply_transitions, [sending(), accepted(said("AdminTask"))])
    waits = await ledger.read(live_figures, BATCH)
    assert (waits.at_rest, waits.waiting, waits.waiting_since) == (1, 1, LATER)
    assert waits.rows == {Outcome.NOT_SENT: 6, Outcome.PENDING: 2}
    await ledger.write(apply_transitions, [said("rejected")])
    decided = await ledger.read(live_figures, BATCH)
    assert (decided.at_rest, decided.waiting, decided.waiting_since) == (1, 0, "")
    assert decided.rows == {Outcome.NOT_SENT: 6, Outcome.REJECTED: 2}
    assert decided.updated_at == LATER


async def test_what_is_in_doubt_is_not_at_rest(ledger: Ledger) -> None:
    await plan(ledger, make_requests(2))
    await ledger.write(apply_transitions, [sending(), answered(Stage.IN_DOUBT)])
    live = await ledger.read(live_figures, BATCH)
    assert (live.at_rest, live.rows) == (0, {Outcome.NOT_SENT: 2, Outcome.IN_DOUBT: 2})


async def test_what_may_be_retried_is_counted_by_the_one_rule(ledger: Ledger) -> None:
    await plan(ledger, make_requests(6))
    request_ids = [request.request_id for request in make_requests(6)]
    facts: list[dict[str, object]] = [
        {"stage": Stage.REFUSED},
        {"stage": Stage.REFUSED, "doubts": 1},
        {"stage": Stage.SUBMITTED, "outcome": Outcome.FAILED, "is_final": 1, "is_definite": 1},
        {"stage": Stage.SUBMITTED, "outcome": Outcome.FAILED, "is_final": 1},
        {"stage": Stage.RETRIED},
        {"stage": Stage.IN_DOUBT, "doubts": 1},
    ]

    def change(connection: Connection) -> None:
        known = tables.requests
        for request_id, values in zip(request_ids, facts, strict=True):
            connection.execute(update(known).where(known.c.request_id == request_id).values(**values))

    await ledger.write(change)
    records = await ledger.read(lambda connection: list(iterate_records(connection, BATCH)))
    live = await ledger.read(live_figures, BATCH)
    assert live.retriable == sum(record.is_retriable for record in records) == 2
