"""Requests in figures: counted by the database, over all accepted batches of one organisation."""

from batch_issuer.batch.stages import Stage
from batch_issuer.ledger import BatchStage, Ledger
from batch_issuer.ledger.batches import update_batch
from batch_issuer.ledger.request_tallies import RequestKind, tally_requests
from batch_issuer.ledger.transitions import apply_transitions
from tests.conftest import BATCH, KNOWN, make_batch, make_requests, plan
from tests.contract.ledger.test_transitions import LATER, accepted, answered, said, sending

SERVER = {"base_url": make_batch().base_url, "org_id": KNOWN.org_id}


async def tally(ledger: Ledger) -> list[RequestKind]:
    kinds = await ledger.read(lambda connection: tally_requests(connection, **SERVER))
    return sorted(kinds, key=lambda kind: kind.stage)


def kind(stage: Stage, requests: int, attempts: int = 0, **facts: object) -> RequestKind:
    known = {"state": "", "http_status": None, "pending_since": "", **facts}
    return RequestKind(stage=stage, requests=requests, attempts=attempts, **known)  # type: ignore[arg-type]


async def test_requests_that_are_alike_are_counted_together(ledger: Ledger) -> None:
    await plan(ledger, make_requests(4))
    assert await tally(ledger) == [kind(Stage.NOT_SENT, 4)]
    await ledger.write(apply_transitions, [sending(), answered(Stage.IN_DOUBT)])
    assert await tally(ledger) == [
        kind(Stage.IN_DOUBT, 1, attempts=1, http_status=504),
        kind(Stage.NOT_SENT, 3),
    ]


async def test_the_first_that_waits_for_a_checker_is_dated_and_no_other(ledger: Ledger) -> None:
    await plan(ledger, make_requests(2))
    await ledger.write(apply_transitions, [sending(), accepted(said("AdminTask"))])
    waiting = kind(Stage.SUBMITTED, 1, attempts=1, state="AdminTask", http_status=200, pending_since=LATER)
    assert await tally(ledger) == [kind(Stage.NOT_SENT, 1), waiting]
    await ledger.write(apply_transitions, [said("rejected")])
    assert await tally(ledger) == [
        kind(Stage.NOT_SENT, 1),
        kind(Stage.SUBMITTED, 1, attempts=1, state="rejected", http_status=200),
    ]


async def test_only_accepted_batches_count(ledger: Ledger) -> None:
    await plan(ledger, make_requests(1))
    for stage in (BatchStage.REFUSED, BatchStage.RECORDING):
        await ledger.write(update_batch, BATCH, {"stage": stage})
        assert await tally(ledger) == []
