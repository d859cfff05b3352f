"""What to do next with a batch, in the words of somebody who opens no terminal."""

import re
from dataclasses import dataclass
from typing import Final

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.batch.outcomes import Outcome
from batch_issuer.ledger import BatchStage
from batch_issuer.ledger.runs import Action
from batch_issuer.web.batch_state import BatchState

_OF_TERMINALS: Final = re.compile(r"batch-issuer|--[a-z]")
_CLAUSES: Final = re.compile(r"(?<=[.;:])\s+")
_DECISIONS: Final = (Action.APPROVE, Action.REJECT)
_STOPPED: Final = "interrupted:"
"""How the end of a run begins that somebody asked for."""
_FAILED: Final = (Outcome.FAILED, Outcome.REJECTED, Outcome.ISSUE_FAILED, Outcome.UNACCOUNTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """How a batch stands in a word, what that means, and what can be done about it."""

    kind: str
    """good, wait or bad: how it is shown."""
    title: str
    text: str
    actions: tuple[Action, ...] = ()
    """The first is what we would do."""
    reason: str = ""
    """Why it stopped, where it did."""


def next_step(state: BatchState) -> NextStep:
    """Say what to do next."""
    batch, counts = state.batch, state.counts
    if batch.pruned_at:
        return NextStep(kind="", title="Pruned", text="Its files and details are gone; its figures are kept.")
    if batch.stage is BatchStage.REFUSED:
        return NextStep(kind="bad", title="Nothing was sent", text=_REFUSED, reason=_reason(state))
    if state.sending is not None or state.worker is not None:
        return _under_way(state)
    if batch.stage is BatchStage.RECORDING:
        return NextStep(kind="wait", title="Not finished", text=_CUT_OFF, actions=(Action.RESUME,))
    unsent = counts.get(Outcome.NOT_SENT, 0) + counts.get(Outcome.IN_DOUBT, 0)
    if unsent:
        return _unfinished(state, unsent)
    return _waits(state) if state.live.waiting else _over(state)


_REFUSED: Final = (
    "The file was refused as a whole. Correct its rows and bring it again: then the rows that were fine "
    "are sent as well. rejects.csv has those that were not."
)
_CUT_OFF: Final = "It was cut off before anything was sent. Resume finishes it from its own copy of the file."
_RESUME: Final = "Resume goes on where it stopped; nothing that the server has is sent again."
_RETRY: Final = "Retry sends those again that the server refused for certain, under new request ids."


def _under_way(state: BatchState) -> NextStep:
    if state.sending is None and state.worker is not None:
        where = f"process {state.worker.pid} on {state.worker.host}"
        text = f"It is worked on by {where}: somebody started a command there. It can't be stopped here."
        return NextStep(kind="wait", title="Worked on elsewhere", text=text)
    if state.batch.stage is BatchStage.RECORDING:
        return NextStep(kind="wait", title="Being checked and recorded", text="Nothing is sent yet.")
    text = "It is sent now. You may leave this page: the console goes on without it."
    return NextStep(kind="wait", title="Being sent", text=text)


def _unfinished(state: BatchState, unsent: int) -> NextStep:
    if state.last is not None and state.last.message.startswith(_STOPPED):
        return NextStep(
            kind="wait",
            title="Paused",
            text=f"{_rows(unsent, 'is', 'are')} not sent yet. {_RESUME}",
            actions=(Action.RESUME, Action.REFRESH),
        )
    return NextStep(
        kind="bad",
        title="Not finished",
        text=f"{_rows(unsent, 'is', 'are')} not sent yet, or the answer was lost. {_RESUME}",
        actions=(Action.RESUME, Action.REFRESH),
        reason=_reason(state),
    )


def _waits(state: BatchState) -> NextStep:
    return NextStep(
        kind="wait",
        title="Waits for approval",
        text="All that can be sent is sent. Refresh asks the server what checkers have decided.",
        actions=(Action.REFRESH, *((Action.RETRY,) if state.live.retriable else ())),
        reason=_reason(state),
    )


def _over(state: BatchState) -> NextStep:
    failed = sum(state.counts.get(outcome, 0) for outcome in _FAILED)
    if state.live.retriable:
        return NextStep(
            kind="bad",
            title="Some rows failed",
            text=f"{_rows(failed)} failed. {_RETRY}",
            actions=(Action.RETRY, Action.REFRESH),
            reason=_reason(state),
        )
    if failed:
        text = f"{_rows(failed, 'was', 'were')} not issued; failed.csv has the reason of each."
        return NextStep(
            kind="bad",
            title="Done, with failures",
            text=text,
            actions=(Action.REFRESH,),
            reason=_reason(state),
        )
    if state.counts.get(Outcome.INVALID, 0):
        text = (
            "All valid rows are issued. rejects.csv has the invalid ones, to be corrected and brought again."
        )
        return NextStep(kind="wait", title="Done, but for invalid rows", text=text, reason=_reason(state))
    return NextStep(kind="good", title="Done", text="Nothing is left to do.", reason=_reason(state))


def _rows(count: int, one: str = "", more: str = "") -> str:
    """Write a number of rows, and the verb that goes with it."""
    noun, verb = ("row", one) if count == 1 else ("rows", more)
    return f"{count:,} {noun} {verb}".rstrip()


def _reason(state: BatchState) -> str:
    """Return why the last run ended as it did, unless all went well."""
    last = state.last
    if last is None or last.exit_code in {ExitCode.DONE, None}:
        return ""
    if last.exit_code is ExitCode.ROWS_NEED_A_LOOK and last.action in _DECISIONS:  # it told what it did
        return ""
    return plain(last.message)


def plain(message: str) -> str:
    """Leave out of a message what is said to who sits at a terminal."""
    clauses = [part for part in _CLAUSES.split(message) if not _OF_TERMINALS.search(part)]
    text = " ".join(clauses).strip().rstrip(";:,").strip()
    if not text:
        return ""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
