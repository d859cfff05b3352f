"""What can go wrong in one exchange; a new kind of fault is a new class with `after_accepting` and `play`."""

from batch_issuer.sandbox.faults.base import Exchange, Fault, Method, Script, Sleep
from batch_issuer.sandbox.faults.connections import DroppedConnection, Silence
from batch_issuer.sandbox.faults.deliveries import DeliveredTwice, ExpiredToken
from batch_issuer.sandbox.faults.mix import Chance
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
    HugeAnswer,
    SlowDrip,
    TruncatedAnswer,
    WrongContentType,
)

__all__ = [
    "AnotherRequestNamed",
    "AnswerInstead",
    "Chance",
    "DeliveredTwice",
    "DroppedConnection",
    "EdgePage",
    "EmptyAnswer",
    "Exchange",
    "ExpiredToken",
    "Fault",
    "GzippedAnswer",
    "HugeAnswer",
    "Method",
    "Redirected",
    "Script",
    "Silence",
    "Sleep",
    "SlowDrip",
    "TooManyRequests",
    "TruncatedAnswer",
    "WrongContentType",
]
