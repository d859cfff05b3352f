"""What a request of another batch holds, line by line."""

import numpy as np
import pytest

from batch_issuer.batch.holding import OtherRequest, is_held
from batch_issuer.batch.ids import RequestId
from batch_issuer.batch.outcomes import Outcome, Reply, ServerError, Settlement
from batch_issuer.batch.requests import Group
from batch_issuer.batch.stages import Stage

ISSUED, REFUSED, UNNAMED = 1, 2, 3
REPLIES = {
    ISSUED: Reply(customer_id=ISSUED, issued_id="a" * 24, error=None),
    REFUSED: Reply(customer_id=REFUSED, issued_id=None, error=ServerError(code="1040")),
}


def settlement(outcome: Outcome | None = None, *, is_definite: bool = False) -> Settlement:
    replies = REPLIES if outcome is None else {}
    return Settlement(outcome=outcome, is_final=True, is_definite=is_definite, replies=replies)


NOTHING_SAID = Settlement(outcome=None, is_final=False)
TABLE = {
    "not sent": (Stage.NOT_SENT, NOTHING_SAID, True),
    "sending": (Stage.SENDING, NOTHING_SAID, True),
    "in doubt": (Stage.IN_DOUBT, NOTHING_SAID, True),
    "pending": (Stage.SUBMITTED, settlement(Outcome.PENDING), True),
    "final without a result": (Stage.SUBMITTED, settlement(Outcome.UNACCOUNTED), True),
    "failed, perhaps after it ran": (Stage.SUBMITTED, settlement(Outcome.FAILED), True),
    "failed for good": (Stage.SUBMITTED, settlement(Outcome.FAILED, is_definite=True), False),
    "rejected": (Stage.SUBMITTED, settlement(Outcome.REJECTED), False),
    "refused": (Stage.REFUSED, NOTHING_SAID, False),
    "split": (Stage.SPLIT, NOTHING_SAID, False),
    "retried": (Stage.RETRIED, settlement(Outcome.FAILED), False),
}
EXECUTED = {"issued": (ISSUED, True), "issue failed": (REFUSED, False), "unaccounted": (UNNAMED, True)}


def other(stage: Stage, said: Settlement) -> OtherRequest:
    return OtherRequest(
        request_id=RequestId("r"),
        group=Group(badge_meta_id="b" * 24),
        customers=np.array([ISSUED, REFUSED, UNNAMED]),
        stage=stage,
        settlement=lambda: said,
    )


@pytest.mark.parametrize("line", TABLE)
def test_one_word_for_a_request_decides_for_all_its_customers(line: str) -> None:
    stage, said, expected = TABLE[line]
    assert is_held(stage, said, ISSUED) is expected
    assert other(stage, said).held_among(np.array([REFUSED, ISSUED])).tolist() == [expected] * 2


@pytest.mark.parametrize("line", EXECUTED)
def test_the_replies_of_an_executed_request_decide_one_by_one(line: str) -> None:
    customer_id, expected = EXECUTED[line]
    assert is_held(Stage.SUBMITTED, settlement(), customer_id) is expected
    assert other(Stage.SUBMITTED, settlement()).held_among(np.array([customer_id])).tolist() == [expected]


def test_every_stage_stands_in_the_table() -> None:
    assert {stage for stage, _, _ in TABLE.values()} == set(Stage)
