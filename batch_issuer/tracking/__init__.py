"""The server's states after submission: reading them, and waiting for the final ones."""

from batch_issuer.tracking.polling import Reading, View, first_day_of, read_states
from batch_issuer.tracking.waiting import Wait, wait_until_final

__all__ = ["Reading", "View", "Wait", "first_day_of", "read_states", "wait_until_final"]
