"""Decides what waits of a batch, as its checker: looks first, then one request after the other."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.batch.ids import RequestId, WorkflowRequestId
from batch_issuer.batch.outcomes import Outcome, ServerError, settle
from batch_issuer.gateway import Answer, AnswerKind
from batch_issuer.ledger import Batch, Ledger, RequestRecord, Said
from batch_issuer.ledger.requests import open_requests
from batch_issuer.submission import Stop
from batch_issuer.submission.breaker import Breaker
from batch_issuer.tracking.asking import View
from batch_issuer.tracking.cases import (
    Case,
    Decided,
    Decision,
    count_waiting_twins,
    find_cases,
    submitted_requests,
)
from batch_issuer.tracking.polling import Reading, first_day_of, read_states

log = logging.getLogger(__name__)

_PASSES: Final = 3
_READINGS: Final = 3
_ATTEMPTS: Final = 5
_CONFLICT: Final = 409
_NO_ACCESS: Final = frozenset({AnswerKind.UNAUTHORIZED, AnswerKind.FORBIDDEN})
_NO_CHECKER_ACCESS: Final = ServerError(message="the checker may not decide this request")
_SHIFTING: Final = Answer(
    kind=AnswerKind.IN_DOUBT,
    error=ServerError(message="entries slipped from page to page while the list was read"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """All that deciding the requests of one batch needs."""

    view: View
    ledger: Ledger
    batch: Batch


async def decide_waiting(desk: Desk, decision: Decision) -> Decided:
    """Approve or reject every request of a batch that waits for a checker, in order of chunks.

    The server's list is read before anything is decided, and again where an answer left doubt: only
    what still waits is decided again, three times at most.
    """
    checker = _Checker(desk, decision)
    stop = await checker.decide_all()
    batch = desk.batch.batch
    records = await desk.ledger.read(submitted_requests, batch)
    waiting = [record for record in records if not record.is_final]
    decided = sum(checker.has_decided(record) for record in records)
    return Decided(
        approve=decision.approve,
        decided=decided,
        already=len(records) - len(waiting) - decided,
        waiting=len(waiting),
        waiting_twins=await desk.ledger.read(count_waiting_twins, batch),
        stop=stop or (checker.trouble if waiting else None),
    )


class _Checker:
    """Takes one batch's requests in turn, and remembers which it has decided."""

    def __init__(self, desk: Desk, decision: Decision) -> None:
        self.trouble: Stop | None = None
        """What the latest answer that was no decision says of those that still wait."""
        self._desk = desk
        self._view = desk.view
        self._decision = decision
        self._breaker = Breaker()
        self._asked = set[RequestId]()
        self._refused = set[WorkflowRequestId]()

    def has_decided(self, record: RequestRecord) -> bool:
        """Tell whether a request is decided, and as this checker wanted it."""
        was_rejected = record.outcome is Outcome.REJECTED
        return record.is_final and record.request_id in self._asked and was_rejected != self._decision.approve

    async def decide_all(self) -> Stop | None:
        """Look, decide, and look again while there is doubt; return why it ended early, if it did."""
        for turn in range(_PASSES + 1):
            reading = await self._look()
            if reading.failure is not None:
                return _unread(reading.failure)
            cases = await self._cases(reading)
            if not cases or turn == _PASSES:
                break
            stop, is_doubtful = await self._decide_each(cases)
            if stop is not None or not is_doubtful:
                return stop
        return None

    async def _look(self) -> Reading:
        """Read the list until it was seen whole: an entry that slipped through may be a twin that ran."""
        batch = self._desk.batch
        reading = Reading(asked=0)
        for _ in range(_READINGS):
            records = await self._desk.ledger.read(open_requests, batch.batch)
            if not records:
                return reading
            reading = await read_states(self._view, records, first_day_of(batch.created_at), whole=True)
            if reading.failure is not None or reading.is_whole:
                return reading
        return replace(reading, failure=_SHIFTING)

    async def _cases(self, reading: Reading) -> list[Case]:
        """Return what is to be decided of that which was seen, but nothing that was refused for good."""
        found = await self._desk.ledger.read(
            find_cases, self._desk.batch.batch, approve=self._decision.approve
        )
        return [
            case
            for case in found
            if case.record.request_id not in reading.missing and case.workflow_request_id not in self._refused
        ]

    async def _decide_each(self, cases: Sequence[Case]) -> tuple[Stop | None, bool]:
        """Decide in turn; return why it must stop, if so, and whether an answer left doubt."""
        is_doubtful = False
        for case in cases:
            answer = await self._ask(case)
            if answer is None:
                return Stop(message="interrupted: no further request was decided"), is_doubtful
            is_settled = await self._take(case, answer)
            is_doubtful = is_doubtful or not is_settled
            stop = self._judge(answer)
            if stop is not None:
                return stop, is_doubtful
        return None, is_doubtful

    async def _ask(self, case: Case) -> Answer | None:
        """Send one decision at its turn, and again only where nothing was decided; None once stopped."""
        answer: Answer | None = None
        may_renew = self._view.client.can_renew
        for attempt in range(_ATTEMPTS):
            await self._view.pace.wait(self._view.stopping)
            if self._view.stopping.is_set():
                return None
            answer = await self._view.client.decide(
                case.workflow_request_id, approve=self._decision.approve, message=self._decision.message
            )
            if answer.kind is AnswerKind.RATE_LIMITED:
                seconds = 2.0**attempt if answer.retry_after is None else answer.retry_after
                await self._view.pace.postpone(seconds)
            elif answer.kind is AnswerKind.UNAUTHORIZED and may_renew:
                may_renew = False
            else:
                break
        return answer

    async def _take(self, case: Case, answer: Answer) -> bool:
        """Record an answer; return False where the list must say what became of the request."""
        said, request_id = answer.said, case.record.request_id
        if said is not None or answer.kind is AnswerKind.IN_DOUBT:
            self._asked.add(request_id)
        is_final = False
        if said is not None and said.checker_allowed is not False:
            at, settlement = self._view.clock.timestamp(), settle(said)
            words = Said(request_id=request_id, at=at, said=said, settlement=settlement)
            await self._view.journal.record(words)
            is_final = settlement.is_final
        fields: dict[str, object] = {"batch": self._desk.batch.batch, "request": request_id}
        fields |= {"workflow_request": case.workflow_request_id}
        fields |= {"status": answer.http_status, "state": "" if said is None else said.state}
        log.log(
            logging.INFO if is_final else logging.WARNING,
            "decided" if is_final else "not decided, or not known",
            extra=fields,
        )
        if answer.kind in {AnswerKind.REFUSED, AnswerKind.TOO_LARGE} and answer.http_status != _CONFLICT:
            self._refused.add(case.workflow_request_id)
            return True
        return is_final

    def _judge(self, answer: Answer) -> Stop | None:
        """Say whether deciding must stop; a conflict is no failure, for somebody else has decided."""
        if answer.kind in _NO_ACCESS:
            return _no_permission(f"the server refused the checker: {answer.error.message}")
        if answer.http_status == _CONFLICT:
            return None
        if answer.said is not None and answer.said.checker_allowed is False:
            answer = replace(answer, kind=AnswerKind.REFUSED, error=_NO_CHECKER_ACCESS)
            self.trouble = _no_permission(_NO_CHECKER_ACCESS.message)
        elif answer.kind is not AnswerKind.OK:
            self.trouble = Stop(message=f"the server did not take a decision: {answer.error.message}")
        stop = self._breaker.record(answer)
        return self.trouble if stop is not None and answer.error is _NO_CHECKER_ACCESS else stop


def _unread(failure: Answer) -> Stop:
    message = f"the server's list of requests could not be read: {failure.error.message}"
    code = ExitCode.NO_PERMISSION if failure.kind in _NO_ACCESS else ExitCode.NOT_FINISHED
    return Stop(message=message, exit_code=code)


def _no_permission(message: str) -> Stop:
    return Stop(message=message, exit_code=ExitCode.NO_PERMISSION)
