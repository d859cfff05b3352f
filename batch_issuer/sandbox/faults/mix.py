"""Faults by chance: which call of a method meets which fault, decided by the seed and its number alone.

A kind is chosen first and a form of it second, so that every kind is as likely as any other. Left out is
what no caller can tell from the truth or survive without help: huge bodies, gzip that can't be unpacked.
"""

from batch_issuer.sandbox.fates import roll
from batch_issuer.sandbox.faults.base import Fault, Method
from batch_issuer.sandbox.faults.connections import DroppedConnection, Silence
from batch_issuer.sandbox.faults.deliveries import DeliveredTwice, ExpiredToken
from batch_issuer.sandbox.faults.replacements import (
    AnswerInstead,
    EdgePage,
    EmptyAnswer,
    Redirected,
    TooManyRequests,
)
from batch_issuer.sandbox.faults.spoiled import (
    AnotherRequestNamed,
    GzippedAnswer,
    SlowDrip,
    TruncatedAnswer,
    WrongContentType,
)
from batch_issuer.sandbox.scenario import Scenario

Kinds = dict[str, tuple[Fault, ...]]

SERVER_ERRORS = (500, 502, 503, 504)
_BOTH = (False, True)


class Chance:
    """Throws the dice of a scenario for each call."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._kinds = kinds(fault_seconds=scenario.fault_seconds)

    def fault(self, method: Method, *, number: int, by_token: bool) -> Fault | None:
        """Give the fault of this call of a method, counted from 1; `by_token` says how the caller logs in."""
        if (found := self._roll("meets", method, number)) < self._scenario.fault_share:
            return self._pick(method, number, by_token=by_token)
        if method == "POST" and found < self._scenario.fault_share + self._scenario.twice_share:
            return DeliveredTwice(answers_second=self._roll("second", method, number) < 1 / 2)
        return None

    def list_failure(self, *, number: int) -> Fault | None:
        """Give the server error of this read of the list, counted from 1."""
        if self._roll("list", number) >= self._scenario.list_failure_share:
            return None
        return AnswerInstead(status=SERVER_ERRORS[int(self._roll("status", number) * len(SERVER_ERRORS))])

    def _pick(self, method: Method, number: int, *, by_token: bool) -> Fault:
        left_out = {"too large"} if method == "GET" else set()
        names = [name for name in self._kinds if name not in left_out]
        name = names[int(self._roll("kind", method, number) * len(names))]
        if name == "expired token" and not by_token:
            # Another throw for these calls alone, so that all others meet the same with both logins.
            names.remove(name)
            name = names[int(self._roll("other kind", method, number) * len(names))]
        forms = self._kinds[name]
        return forms[int(self._roll("form", method, number) * len(forms))]

    def _roll(self, purpose: str, *facts: object) -> float:
        return roll(self._scenario.seed, purpose, *facts)


def kinds(*, fault_seconds: float) -> Kinds:
    """Give the mix; what hangs or drips lasts `fault_seconds`, a 429 asks for no longer wait than that."""
    return {**_outages(fault_seconds), **_answers(fault_seconds)}


def _outages(fault_seconds: float) -> Kinds:
    return {
        "broken": tuple(
            DroppedConnection(after_accepting=after, reset=reset) for after in _BOTH for reset in _BOTH
        ),
        "silence": tuple(Silence(after_accepting=after, seconds=fault_seconds) for after in _BOTH),
        "server error": tuple(
            AnswerInstead(status=status, after_accepting=after) for status in SERVER_ERRORS for after in _BOTH
        ),
        "error page": tuple(
            EdgePage(status=status, after_accepting=after) for status in SERVER_ERRORS for after in _BOTH
        ),
    }


def _answers(fault_seconds: float) -> Kinds:
    return {
        "page": tuple(EdgePage(status=200, after_accepting=after) for after in _BOTH),
        "empty": tuple(EmptyAnswer(after_accepting=after) for after in _BOTH),
        "truncated": (TruncatedAnswer(),),
        "content type": (WrongContentType(),),
        "drip": (SlowDrip(seconds=fault_seconds),),
        "too many": tuple(
            TooManyRequests(wait_seconds=int(fault_seconds), as_date=as_date) for as_date in _BOTH
        ),
        "expired token": (ExpiredToken(),),
        "too large": (AnswerInstead(status=413),),
        "redirect": tuple(Redirected(status=status) for status in (302, 307, 308)),
        "gzip": (GzippedAnswer(),),
        "another request": (AnotherRequestNamed(),),
    }
