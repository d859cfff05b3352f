"""Everything that can go wrong, as one tree; each class knows its exit code.

BatchIssuerError (1)
├── UsageError (2)
│   ├── SettingsError
│   │   └── UnknownProfile
│   ├── UnknownBatch
│   ├── PrunedBatch
│   ├── UnknownUser
│   ├── AccountRefused
│   ├── OutputNotWritable
│   ├── ForeignBatches
│   └── LedgerTooNew
├── InputRefused (3)
├── NotFinished (5)
│   ├── LedgerUnavailable
│   ├── ReportsNotWritten
│   ├── BatchTakenOver
│   ├── StillChanging
│   ├── EngineUnavailable
│   └── Interrupted
│       └── NothingAccepted
├── NoPermission (6)
│   └── OwnBatch
└── Guarded (7)
    ├── AlreadyIssued
    ├── BatchInUse
    ├── ConsoleInUse
    ├── KeyReused
    └── RunExists
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.batch.ids import BatchId


class BatchIssuerError(Exception):
    """Anything this program reports in one line. What one process raises another can report."""

    exit_code: ClassVar[ExitCode] = ExitCode.PROGRAM_ERROR

    def __reduce__(self) -> tuple[Callable[..., "BatchIssuerError"], tuple[object, ...]]:
        """Travel as what was said: the classes make their words of values that need not travel."""
        return _said_elsewhere, (type(self), self.args, self.__dict__)


def _said_elsewhere(
    kind: type[BatchIssuerError], words: tuple[Any, ...], facts: Mapping[str, Any]
) -> BatchIssuerError:
    error = kind.__new__(kind, *words)
    error.__dict__.update(facts)
    return error


def said_of_program(error: Exception) -> str:
    """Say in one line what went wrong where it is nobody's fault but the program's."""
    what = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    return f"an error in the program: {what} (run with -vv for more)"


class UsageError(BatchIssuerError):
    """Something was asked for that can't be done as it stands."""

    exit_code = ExitCode.USAGE


class SettingsError(UsageError):
    """A setting is missing, wrong, or contradicts another."""

    def __init__(self, problems: Sequence[str], *, names: Collection[str] = ()) -> None:
        """Join the problems into one line; `names` are the settings without which there would be none."""
        super().__init__("settings: " + "; ".join(problems))
        self.problems = tuple(problems)
        self.names = frozenset(names)


class UnknownProfile(SettingsError):
    """The file of settings has no such profile."""

    def __init__(self, profile: str, *, path: Path, known: Sequence[str], near: str = "") -> None:
        """Name it, and the nearest of those there are, or all of them."""
        there_are = f"it has {', '.join(known)}" if known else "it has none; write one as [profiles.NAME]"
        hint = f"did you mean {near}?" if near else there_are
        super().__init__([f"{path} has no profile {profile!r}; {hint}"])


class UnknownBatch(UsageError):
    """The ledger holds no such batch."""

    def __init__(self, batch: str) -> None:
        """Name the batch that was asked for."""
        super().__init__(f"the ledger knows no batch {batch!r}; `batch-issuer batches` lists those it knows")


class PrunedBatch(UsageError):
    """The batch is over, and was pruned."""

    def __init__(self, batch: BatchId, *, at: str) -> None:
        """Name the batch, and when it was pruned."""
        super().__init__(
            f"batch {batch} was pruned at {at}: its files and details are gone, and nothing more can be done "
            f"with it; what it issued is still guarded, and `batch-issuer show {batch}` has its figures"
        )


class UnknownUser(UsageError):
    """There is no such user of the console."""

    def __init__(self, user: str) -> None:
        """Name the user that was asked for."""
        super().__init__(f"there is no user {user!r}; `batch-issuer users list` names those there are")


class AccountRefused(UsageError):
    """A user, a password, a role or a token can't be as it was asked for."""


class ForeignBatches(UsageError):
    """The output folder holds batches that were sent with another ledger."""

    def __init__(self, folder: Path, batches: Sequence[str], ledger: str) -> None:
        """Name one of them, and what to do."""
        others = f" and {len(batches) - 1:,} more" if len(batches) > 1 else ""
        super().__init__(
            f"{folder / batches[0]}{others} was sent with another ledger than {ledger}: without that nobody "
            "knows what was sent. Restore it, name it with --ledger, choose another --output, "
            "or add --new-ledger to go on without it"
        )


class OutputNotWritable(UsageError):
    """The output folder can't be written."""

    def __init__(self, folder: Path, reason: str | None) -> None:
        """Name the folder and what the system says."""
        super().__init__(
            f"the output folder {folder} can't be written ({reason}); choose another with --output"
        )


class LedgerTooNew(UsageError):
    """The ledger was written by a later version of this program."""

    def __init__(self, revision: str) -> None:
        """Name the revision that is unknown here."""
        super().__init__(f"the ledger is of a later version ({revision}); install the newer batch_issuer")


class InputRefused(BatchIssuerError):
    """The file can't be taken as it is; nothing was sent."""

    exit_code = ExitCode.INPUT_REFUSED


class NotFinished(BatchIssuerError):
    """Work was left undone, and can be taken up again."""

    exit_code = ExitCode.NOT_FINISHED


class LedgerUnavailable(NotFinished):
    """The ledger can't be read or written now."""


class ReportsNotWritten(NotFinished):
    """The ledger holds everything, but a file for the user could not be written."""

    def __init__(self, batch: BatchId, reason: str | None, *, remedy: str = "make room") -> None:
        """Name the batch, what the system says, and what to do."""
        super().__init__(
            f"the files of batch {batch} can't be written ({reason}); nothing is lost: "
            f"{remedy}, then run `batch-issuer resume {batch}`"
        )


class BatchTakenOver(NotFinished):
    """This process stood still for so long that another one went on with its batch."""

    def __init__(self, batch: str) -> None:
        """Name the batch."""
        super().__init__(
            f"this process stood still for too long, and another one has taken over batch {batch}; nothing "
            f"is lost: `batch-issuer show {batch}` tells how far it is"
        )


class StillChanging(NotFinished):
    """A file was written to while it was read; nothing of it was sent."""

    def __init__(self, file: Path) -> None:
        """Name the file."""
        super().__init__(f"{file} changed while it was read; nothing was sent: try again when it is complete")


class EngineUnavailable(NotFinished):
    """The engine that does the work elsewhere can't be reached, or has lost all who could do it."""


class Interrupted(NotFinished):
    """Somebody stopped the program."""


class NothingAccepted(Interrupted):
    """Somebody stopped the program before it had accepted a file."""

    def __init__(self, meanwhile: str) -> None:
        """Say what was being done."""
        super().__init__(f"stopped while {meanwhile}; nothing was accepted, and nothing sent")


class NoPermission(BatchIssuerError):
    """The server refused the credentials or the permission."""

    exit_code = ExitCode.NO_PERMISSION


class OwnBatch(NoPermission):
    """Who made a batch can't decide it."""

    def __init__(self, batch: str, user: str) -> None:
        """Name the batch and who asked."""
        super().__init__(
            f"{user} issued, resumed or retried batch {batch}, and so can't approve or reject it; "
            "ask another checker"
        )


class Guarded(BatchIssuerError):
    """A guard against issuing twice refused."""

    exit_code = ExitCode.GUARDED


class AlreadyIssued(Guarded):
    """This content was issued before."""

    def __init__(self, *, earlier: BatchId) -> None:
        """Name the batch that issued the same content."""
        self.earlier = earlier
        super().__init__(
            f"this content is batch {earlier} already; nothing was sent again. "
            f"`batch-issuer resume {earlier}` goes on with it where it did not finish; "
            "--again issues it once more"
        )


class BatchInUse(Guarded):
    """Another process works on this batch."""

    def __init__(
        self,
        batch: str,
        *,
        who: str = "another process",
        seconds: float | None = None,
        is_known_to_run: bool = False,
    ) -> None:
        """Name the batch, who works on it, and after how many seconds it counts as gone."""
        self.who, self.seconds, self.is_known_to_run = who, seconds, is_known_to_run
        gone = "" if seconds is None else f"; if it is gone, try again in {max(1, round(seconds))} s"
        super().__init__(f"{who} works on batch {batch}; wait for it to end{gone}")


class ConsoleInUse(Guarded):
    """Another server does the background work of this ledger."""

    def __init__(self, *, who: str) -> None:
        """Name it."""
        super().__init__(
            f"{who} serves the console with this ledger already; use that one, stop it first, "
            "or name another ledger with --ledger"
        )


class KeyReused(Guarded):
    """An idempotency key came again with another wish."""

    def __init__(self, key: str) -> None:
        """Name the key."""
        super().__init__(
            f"the idempotency key {key!r} stands for another batch already; send a new key for a new batch"
        )


class RunExists(Guarded):
    """What was asked for is under way, or was done before: nothing new is started."""

    def __init__(self, run: str, *, about: str) -> None:
        """Name the run that does it or did it, and what it is about."""
        super().__init__(f"{about} is worked on, or was issued, by run {run}; nothing new was started")
        self.run = run
