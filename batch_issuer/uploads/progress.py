"""How far the check of an upload has come; and the way to stop it."""

import threading
from dataclasses import dataclass, field
from enum import StrEnum

from batch_issuer.intake import CheckedRows


class CheckStage(StrEnum):
    """What a check is at."""

    WAITS = "waits"
    """Others are checked first."""
    READS = "reads"
    LOOKS_UP = "looks_up"
    """The badges are looked up, and what other batches hold."""


class Stopped(Exception):
    """The upload was removed, or the server ends: nobody wants the result."""


@dataclass(slots=True, kw_only=True)
class CheckProgress:
    """How far a check is: a thread counts, and others look."""

    stage: CheckStage = CheckStage.WAITS
    rows: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        """Have the thread end at its next block of rows."""
        self._stop.set()

    def count(self, rows: CheckedRows) -> None:
        """Count the rows of a block. Raises Stopped."""
        self.go_on()
        self.rows += rows.total

    def go_on(self) -> None:
        """Raise Stopped where nobody waits for the result any more."""
        if self._stop.is_set():
            raise Stopped
