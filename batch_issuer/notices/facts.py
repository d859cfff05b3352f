"""What notices are made from: what a run did, what the ledger knows, and the time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from enum import StrEnum
from pathlib import Path

from batch_issuer.batch.ids import BatchId
from batch_issuer.batch.outcomes import Outcome
from batch_issuer.ledger.notices import Made
from batch_issuer.ledger.waiting import Waiting
from batch_issuer.notify_settings import Threshold
from batch_issuer.reports import Summary


class Kind(StrEnum):
    """What a notice tells."""

    REFUSED = "refused"
    FAILED = "failed"
    INCOMPLETE = "incomplete"
    COMPLETE = "complete"
    WAITING = "waiting"
    """Approvals are late; for makers."""
    TO_DECIDE = "to_decide"
    """The same, for checkers."""
    NO_FILE = "no_file"
    DIGEST = "digest"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedFile:
    """A file that could not be taken, and so is no batch."""

    name: str
    problem: str
    next_command: str = ""
    attachment: Path | None = None
    event: str = ""
    """What tells this refusal from another one of a file of that name, such as a digest of the content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a command, or one pass over an inbox, has just done."""

    summaries: Sequence[Summary] = ()
    """The batches that it issued, resumed or refreshed; those with a refused input too."""
    refused: Sequence[RefusedFile] = ()
    """Files that are no batch."""
    error: str = ""
    """Why it could not do its work as a whole, where that is so."""
    is_inbox_pass: bool = False
    """Whether it looked for files: only then can one be missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What came since the last digest, and what is open at their end."""

    since: datetime
    """When the last digest was made, or a day ago."""
    batches: int
    """Those that were accepted."""
    refused: int
    counts: Mapping[Outcome, int]
    """How the rows stand of all batches that anything was done about: new ones, and older ones with news."""
    waiting: Sequence[Waiting]
    unfinished: Sequence[BatchId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """From when on something is told, as the settings say."""

    failed: Threshold
    pending_hours: float
    no_file_by: time | None
    digest_at: time | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that the rules look at; `now` is an instant in the zone of the settings."""

    run: Run
    now: datetime
    file_came: bool = True
    """Whether a file was accepted or refused since midnight."""
    late: Sequence[Waiting] = ()
    """The batches whose approvals have waited for too long."""
    day: Day | None = None
    """Given where the digest is due."""
    made: Sequence[Made] = field(default=())
    """The notices that were made before: about these batches, and lately."""

    @property
    def today(self) -> str:
        """The local day."""
        return self.now.date().isoformat()
