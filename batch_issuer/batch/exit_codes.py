"""Exit codes: one number that says how a command ended."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Final

from batch_issuer.batch.outcomes import Outcome


class ExitCode(IntEnum):
    """What the number means; `docs/reference/commands.md` has the long form."""

    DONE = 0
    PROGRAM_ERROR = 1
    USAGE = 2
    INPUT_REFUSED = 3
    ROWS_NEED_A_LOOK = 4
    NOT_FINISHED = 5
    NO_PERMISSION = 6
    GUARDED = 7


UNFINISHED: Final = frozenset({Outcome.NOT_SENT, Outcome.IN_DOUBT})
NEED_A_LOOK: Final = frozenset(
    {Outcome.INVALID, Outcome.REJECTED, Outcome.FAILED, Outcome.ISSUE_FAILED, Outcome.UNACCOUNTED}
)

_RANKED: Final = (
    ExitCode.PROGRAM_ERROR,
    ExitCode.NO_PERMISSION,
    ExitCode.NOT_FINISHED,
    ExitCode.ROWS_NEED_A_LOOK,
)

_OF_A_FILE: Final = {
    ExitCode.USAGE: ExitCode.ROWS_NEED_A_LOOK,
    ExitCode.INPUT_REFUSED: ExitCode.ROWS_NEED_A_LOOK,
    ExitCode.GUARDED: ExitCode.ROWS_NEED_A_LOOK,
}
"""A file that was refused, whatever the reason."""


def exit_code(
    counts: Mapping[Outcome, int], *, in_vain: int = 0, stopped: ExitCode | None = None
) -> ExitCode:
    """Choose the exit code of a batch: of several that hold, the first of 1, 6, 5, 4, 0.

    `in_vain` counts rows that were left to another batch, which has issued them to nobody.
    """
    held = set() if stopped is None else {stopped}
    if any(counts.get(outcome, 0) for outcome in UNFINISHED):
        held.add(ExitCode.NOT_FINISHED)
    if in_vain or any(counts.get(outcome, 0) for outcome in NEED_A_LOOK):
        held.add(ExitCode.ROWS_NEED_A_LOOK)
    return first_held(held)


def first_held(held: Collection[ExitCode], ranked: Sequence[ExitCode] = _RANKED) -> ExitCode:
    """Choose among exit codes that hold: the first of those ranked, by default of 1, 6, 5, 4, else 0."""
    return next((code for code in ranked if code in held), ExitCode.DONE)


def first_of_files(codes: Iterable[ExitCode]) -> ExitCode:
    """Choose the exit code of several files: the first of 1, 6, 5, 4, 0, where a refused file counts as 4."""
    return first_held({_OF_A_FILE.get(code, code) for code in codes})
