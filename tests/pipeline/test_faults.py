"""Every fault alone: the outcome that the table of answers asks for, the exit code, the number of POSTs."""

from pathlib import Path

import pytest

from batch_issuer.sandbox import Scenario
from batch_issuer.sandbox.faults import (
    AnotherRequestNamed,
    AnswerInstead,
    DeliveredTwice,
    DroppedConnection,
    EdgePage,
    EmptyAnswer,
    Fault,
    GzippedAnswer,
    Redirected,
    TooManyRequests,
    TruncatedAnswer,
    WrongContentType,
)
from tests.pipeline.world import customers, open_world, outcomes

ISSUED, FAILED = ({"issued": 2}, 0), ({"failed": 2}, 4)
TAKEN_OVER, SENT_AGAIN, AT_ONCE, REFUSED = 1, 2, 1, 1

TABLE: dict[str, tuple[Fault, tuple[dict[str, int], int], int]] = {
    "reset before acceptance": (DroppedConnection(after_accepting=False, reset=True), ISSUED, SENT_AGAIN),
    "closed before acceptance": (DroppedConnection(after_accepting=False, reset=False), ISSUED, SENT_AGAIN),
    "reset after acceptance": (DroppedConnection(after_accepting=True, reset=True), ISSUED, TAKEN_OVER),
    "closed after acceptance": (DroppedConnection(after_accepting=True, reset=False), ISSUED, TAKEN_OVER),
    "408": (AnswerInstead(status=408), ISSUED, SENT_AGAIN),
    "500 before acceptance": (AnswerInstead(status=500), ISSUED, SENT_AGAIN),
    "500 after acceptance": (AnswerInstead(status=500, after_accepting=True), ISSUED, TAKEN_OVER),
    "502 page before acceptance": (EdgePage(status=502, after_accepting=False), ISSUED, SENT_AGAIN),
    "502 page after acceptance": (EdgePage(status=502, after_accepting=True), ISSUED, TAKEN_OVER),
    "504 page after acceptance": (EdgePage(status=504, after_accepting=True), ISSUED, TAKEN_OVER),
    "503 with Retry-After": (AnswerInstead(status=503, retry_after=3), ISSUED, SENT_AGAIN),
    "an HTML page with 200": (EdgePage(status=200, after_accepting=True), ISSUED, TAKEN_OVER),
    "an empty 200": (EmptyAnswer(), ISSUED, TAKEN_OVER),
    "a truncated 200": (TruncatedAnswer(), ISSUED, TAKEN_OVER),
    "a wrong content type": (WrongContentType(), ISSUED, AT_ONCE),
    "a gzipped answer": (GzippedAnswer(corrupt=False), ISSUED, AT_ONCE),
    "a corrupt gzipped answer": (GzippedAnswer(corrupt=True), ISSUED, TAKEN_OVER),
    "an answer that names another request": (AnotherRequestNamed(), ISSUED, TAKEN_OVER),
    "a POST that is delivered twice": (DeliveredTwice(), ISSUED, AT_ONCE),
    "429 with seconds": (TooManyRequests(wait_seconds=4, as_date=False), ISSUED, SENT_AGAIN),
    "429 with a date": (TooManyRequests(wait_seconds=4, as_date=True), ISSUED, SENT_AGAIN),
    "a redirect": (Redirected(status=307), FAILED, REFUSED),
    "400": (AnswerInstead(status=400), FAILED, REFUSED),
    "404": (AnswerInstead(status=404), FAILED, REFUSED),
    "409": (AnswerInstead(status=409), FAILED, REFUSED),
    "413": (AnswerInstead(status=413), ISSUED, 3),  # once whole, then its halves
    "401": (AnswerInstead(status=401), ({"not_sent": 2}, 6), REFUSED),
    "403": (AnswerInstead(status=403), ({"not_sent": 2}, 6), REFUSED),
}


@pytest.mark.parametrize("name", TABLE)
async def test_each_fault_alone_ends_as_the_table_asks(tmp_path: Path, name: str) -> None:
    fault, (expected, code), posts = TABLE[name]
    async with open_world(tmp_path, Scenario(decide_after_seconds=0)) as world:
        world.sandbox.will(fault)
        summary = await world.issue(world.write(customers(2)))
        told = world.sandbox.truth()
        assert world.sandbox.posts == posts
        assert told["strays"]["calls"] == 0, "a redirect was followed"
    assert (outcomes(summary), summary.exit_code) == (expected, code)
    assert all(entry["times"] <= 1 for entry in told["issued"])
    assert summary.is_balanced
