"""Counts what requests say as a whole."""

from collections import Counter

from batch_issuer.batch.outcomes import Outcome, may_be_retried
from batch_issuer.batch.stages import Stage
from batch_issuer.ledger.request_columns import RequestColumns
from batch_issuer.reports.requests_file import shown_states

_UNSENT = frozenset({Stage.NOT_SENT, Stage.IN_DOUBT})


class RequestTally:
    """The requests of one batch in figures."""

    def __init__(self) -> None:
        """Start with none."""
        self.states: Counter[str] = Counter()
        self.retriable = 0
        self.unsent_reason = ""
        """Why a request is not sent or in doubt, as the ledger has it."""

    def add(self, requests: RequestColumns) -> None:
        """Take some requests."""
        self.states.update(shown_states(requests))
        kinds = Counter(
            zip(requests.stage, requests.outcome, requests.doubts, requests.is_definite, strict=True)
        )
        for (stage, outcome, doubts, is_definite), count in kinds.items():
            word = Outcome(outcome) if outcome else None
            if may_be_retried(Stage(stage), word, doubts=doubts, is_definite=bool(is_definite)):
                self.retriable += count
        if not self.unsent_reason:
            told = zip(requests.stage, requests.error_message, strict=True)
            self.unsent_reason = next((text for stage, text in told if text and stage in _UNSENT), "")
