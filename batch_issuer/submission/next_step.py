"""What follows from an answer to a submission: a table, recorded in the ledger before it is acted on."""

from dataclasses import dataclass
from typing import Final

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.batch.stages import Stage
from batch_issuer.gateway import Answer, AnswerKind

_FIRST_DELAY: Final = 1.0
_LONGEST_DELAY: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Why a batch stops: no further request is started."""

    message: str
    exit_code: ExitCode | None = None
    """None where the rows that are left decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """The stage to record, and then what to do."""

    stage: Stage
    again_after: float | None = None
    """Seconds until the request is sent again, under the same id; None where it is not."""
    stop: Stop | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the step depends on besides the answer."""

    attempts: int
    """Attempts in this run, this one included."""
    max_attempts: int
    may_renew: bool
    """A fresh token can be had and was not yet tried for this request."""
    was_in_doubt: bool = False
    """The answer to an earlier attempt was lost: a refusal of this one does not say what became of that."""
    can_halve: bool = False
    """The request has more customers than one."""
    jitter: float
    """A random number from 0 up to 1."""


def next_step(answer: Answer, situation: Situation) -> NextStep:  # noqa: PLR0911 - a table, one line a case
    """Say what follows from an answer; what may have been created is never sent again from here."""
    match answer.kind:
        case AnswerKind.OK if answer.said is not None and answer.said.maker_allowed is False:
            return NextStep(stage=Stage.SUBMITTED, stop=_no_permission("the maker may not make this request"))
        case AnswerKind.OK:
            return NextStep(stage=Stage.SUBMITTED)
        case AnswerKind.RATE_LIMITED | AnswerKind.NOT_REACHED:
            return NextStep(stage=Stage.NOT_SENT, again_after=_delay(answer, situation))
        case AnswerKind.UNAUTHORIZED if situation.may_renew:
            return NextStep(stage=Stage.NOT_SENT, again_after=0.0)
        case AnswerKind.UNAUTHORIZED:
            return NextStep(stage=Stage.NOT_SENT, stop=_no_permission(_reason(answer, "the credentials")))
        case AnswerKind.FORBIDDEN:
            return NextStep(stage=Stage.NOT_SENT, stop=_no_permission(_reason(answer, "the permission")))
        case AnswerKind.TOO_LARGE if situation.can_halve and not situation.was_in_doubt:
            return NextStep(stage=Stage.SPLIT)
        case AnswerKind.TOO_LARGE | AnswerKind.REFUSED if not situation.was_in_doubt:
            return NextStep(stage=Stage.REFUSED)
        case AnswerKind.TOO_LARGE | AnswerKind.REFUSED | AnswerKind.IN_DOUBT:
            return NextStep(stage=Stage.IN_DOUBT)


def _delay(answer: Answer, situation: Situation) -> float | None:
    """Wait as long as the server asks, else exponentially longer with full jitter; or no longer."""
    if situation.attempts >= situation.max_attempts:
        return None
    backoff = min(_FIRST_DELAY * 2 ** (situation.attempts - 1), _LONGEST_DELAY)
    return situation.jitter * backoff if answer.retry_after is None else answer.retry_after


def _no_permission(message: str) -> Stop:
    return Stop(message=message, exit_code=ExitCode.NO_PERMISSION)


def _reason(answer: Answer, what: str) -> str:
    status = "" if answer.http_status is None else f" (HTTP {answer.http_status}: {answer.error.message})"
    return (
        f"the server refused {what}{status}; `batch-issuer` sends nothing more until the settings are right"
    )
