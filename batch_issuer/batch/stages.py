"""How far the submission of a request has come."""

from enum import StrEnum


class Stage(StrEnum):
    """How far our side of a request's submission has come; the server's own word is its state."""

    NOT_SENT = "not_sent"
    SENDING = "sending"
    """Written before the POST: a request found like this after a crash is in doubt."""
    SUBMITTED = "submitted"
    REFUSED = "refused"
    IN_DOUBT = "in_doubt"
    SPLIT = "split"
    """Too large for the server: its halves own its rows."""
    RETRIED = "retried"
    """Refused for good: a request under a new id owns its rows."""
