"""From checked rows to requests: grouping, chunking, estimate; pure."""

from batch_issuer.planning.chunking import Numbers, Plan, cut, plan_requests
from batch_issuer.planning.estimate import estimate_seconds, seconds_between_calls
from batch_issuer.planning.grouping import Groups, RowCollector, RowTable
from batch_issuer.planning.guard import find_held
from batch_issuer.planning.halving import halve, renew
from batch_issuer.planning.invalid_share import MaxInvalid

__all__ = [
    "Groups",
    "MaxInvalid",
    "Numbers",
    "Plan",
    "RowCollector",
    "RowTable",
    "cut",
    "estimate_seconds",
    "find_held",
    "halve",
    "plan_requests",
    "renew",
    "seconds_between_calls",
]
