"""From requests to answers: what is sent, when, and what follows; recorded before it is done."""

from batch_issuer.submission.lease import Lease, LeaseTerms, claim_for, hold, hold_lease, new_key
from batch_issuer.submission.next_step import NextStep, Situation, Stop, next_step
from batch_issuer.submission.pace import Pace, pause
from batch_issuer.submission.submitter import Route, Submitter

__all__ = [
    "Lease",
    "LeaseTerms",
    "NextStep",
    "Pace",
    "Route",
    "Situation",
    "Stop",
    "Submitter",
    "claim_for",
    "hold",
    "hold_lease",
    "new_key",
    "next_step",
    "pause",
]
