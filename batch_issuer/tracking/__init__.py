"""The server's states after submission: reading them, deciding, and waiting for the final ones."""

from batch_issuer.tracking.asking import View, ask
from batch_issuer.tracking.cases import Decision
from batch_issuer.tracking.deciding import Desk, decide_waiting
from batch_issuer.tracking.doubts import Resolved, look_up_refused, resolve_doubts
from batch_issuer.tracking.polling import Reading, first_day_of, read_states
from batch_issuer.tracking.waiting import Wait, wait_until_final

__all__ = [
    "Decision",
    "Desk",
    "Reading",
    "Resolved",
    "View",
    "Wait",
    "ask",
    "decide_waiting",
    "first_day_of",
    "look_up_refused",
    "read_states",
    "resolve_doubts",
    "wait_until_final",
]
