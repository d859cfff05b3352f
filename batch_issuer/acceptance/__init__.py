"""Accepts an input file: copies, checks and plans it, and records all of that before anything is sent."""

from batch_issuer.acceptance.accepting import Accepted, accept, accept_again, reopen
from batch_issuer.acceptance.checked import Checked, next_rows, refuse_invalid
from batch_issuer.acceptance.options import (
    IssueOptions,
    OnInvalid,
    decided_options,
    input_options,
    recorded_options,
)

__all__ = [
    "Accepted",
    "Checked",
    "IssueOptions",
    "OnInvalid",
    "accept",
    "accept_again",
    "decided_options",
    "input_options",
    "next_rows",
    "recorded_options",
    "refuse_invalid",
    "reopen",
]
