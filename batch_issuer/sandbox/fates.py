"""What becomes of requests and customers, decided by the seed and the content alone."""

import hashlib
from enum import Enum, auto

from batch_issuer.sandbox.scenario import Scenario


class RequestFate(Enum):
    """What awaits one request."""

    APPROVED = auto()
    REJECTED = auto()
    LEFT = auto()
    FAILED = auto()


class CustomerFate(Enum):
    """What awaits one customer of a request that is executed."""

    ISSUED = auto()
    HOLDER = auto()
    OMITTED = auto()


def request_fate(scenario: Scenario, *, badge: str, first_customer: int) -> RequestFate:
    """Say what awaits the request that starts with this customer; the shares are slices of one roll."""
    thrown = roll(scenario.seed, "request", badge, first_customer)
    if thrown < scenario.reject_share:
        return RequestFate.REJECTED
    if thrown < scenario.reject_share + scenario.leave_share:
        return RequestFate.LEFT
    if thrown < scenario.reject_share + scenario.leave_share + scenario.fail_share:
        return RequestFate.FAILED
    return RequestFate.APPROVED


def failure_form(scenario: Scenario, *, badge: str, first_customer: int, forms: int) -> int:
    """Choose one of so many forms of failure."""
    return int(roll(scenario.seed, "failure", badge, first_customer) * forms)


def customer_fate(scenario: Scenario, *, badge: str, customer: int) -> CustomerFate:
    """Say what awaits this customer, whatever request names it."""
    thrown = roll(scenario.seed, "customer", badge, customer)
    if thrown < scenario.holder_share:
        return CustomerFate.HOLDER
    if thrown < scenario.holder_share + scenario.omit_share:
        return CustomerFate.OMITTED
    return CustomerFate.ISSUED


def older_issue(scenario: Scenario, *, badge: str, customer: int) -> str:
    """Give the id of the issue that a holder had before the sandbox opened."""
    # The zeros keep these ids apart from new ones, which start with the time of issue.
    return "0" * 8 + _digest(scenario.seed, "older", badge, customer)[:16]


def roll(seed: int, purpose: str, *facts: object) -> float:
    """Throw the dice for these facts: a number from 0 to below 1, the same for the same facts."""
    # 52 bits: every such whole number is exact as a float, so the roll stays below 1.
    return int(_digest(seed, purpose, *facts)[:13], 16) / 16**13


def _digest(seed: int, purpose: str, *facts: object) -> str:
    return hashlib.sha256("|".join(map(str, (seed, purpose, *facts))).encode()).hexdigest()
