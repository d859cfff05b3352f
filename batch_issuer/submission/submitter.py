"""Sends requests: the pace, a durable `sending`, a slot for one exchange, and a durable answer."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from batch_issuer.batch.ids import BatchId, RequestId
from batch_issuer.batch.outcomes import ServerError, settle
from batch_issuer.batch.requests import IssueRequest
from batch_issuer.batch.stages import Stage
from batch_issuer.clock import Clock
from batch_issuer.errors import LedgerUnavailable, NotFinished
from batch_issuer.gateway import Answer, AnswerKind, Client, InnerCall
from batch_issuer.ledger import Answered, Journal, Said, Sending, Unsent
from batch_issuer.planning import halve
from batch_issuer.submission.breaker import Breaker
from batch_issuer.submission.lease import Lease
from batch_issuer.submission.next_step import NextStep, Situation, Stop, next_step
from batch_issuer.submission.pace import Pace, pause

log = logging.getLogger(__name__)

_RECORD_AGAIN_AFTER: Final = (0.1, 0.5, 2.0)
_AHEAD: Final = 4
"""One more request for so many slots is being written down: no slot waits for the disk."""
_FRESH_SECONDS: Final = 1.0
"""A request goes out within this time of its turn and its `sending`. One that waits longer for its slot takes
another turn, for a server counts when it comes, and is noted again: whoever looks for it counts from then."""

_EVENTS: Final = {
    Stage.SUBMITTED: "submitted",
    Stage.REFUSED: "refused",
    Stage.IN_DOUBT: "in doubt",
    Stage.NOT_SENT: "not sent",
    Stage.SPLIT: "split",
}
"""What the log calls the stage that an answer brings a request to (docs/reference/logs.md)."""


def _held_back(reason: str) -> Answer:
    return Answer(kind=AnswerKind.NOT_REACHED, error=ServerError(message=reason))


_STOOD_STILL: Final = _held_back("this process stood still before it could be sent")
_STOPPED: Final = _held_back("the batch was stopped before it could be sent")
_HELD_BACK: Final = (_STOOD_STILL, _STOPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """All that the requests of a batch need on their way to the server."""

    batch: BatchId
    lease: Lease
    org_id: str
    client: Client
    inner: InnerCall
    journal: Journal
    pace: Pace
    clock: Clock
    concurrency: int
    max_attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """One exchange: when it was marked, what came back, and after how many seconds."""

    at: str
    answer: Answer
    seconds: float = 0.0


class Submitter:
    """Sends the unsent requests of one batch. The one way for every command that sends.

    `submit_all` may be called again, when requests that were in doubt turned out not to be created:
    the attempts of each count together.
    """

    def __init__(self, route: Route, *, stopping: asyncio.Event, on_rest: Callable[[Stage], None]) -> None:
        """Heed `stopping`, and tell `on_rest` the stage in which each request comes to rest."""
        self._route = route
        self._stopping = stopping
        self._on_rest = on_rest
        self._slots = asyncio.Semaphore(route.concurrency)
        self._breaker = Breaker()
        self._stop: Stop | None = None
        self._spent: dict[RequestId, int] = {}  # attempts of requests that came to rest undecided

    @property
    def stop(self) -> Stop | None:
        """Why nothing more is started, as soon as that is known."""
        return self._stop

    async def submit_all(self, unsent: AsyncIterator[Unsent]) -> Stop | None:
        """Start each request in turn, and return why it stopped early, if it did.

        A stop lets the requests under way finish. At most `concurrency` are with the server at a time, and
        a quarter more exist as tasks: about to be sent, or answered and not yet recorded.
        """
        async with asyncio.TaskGroup() as under_way:
            try:
                await self._start_each(unsent, under_way)
            except NotFinished as exc:  # raised in here it would cancel those under way
                self._stop_batch(Stop(message=str(exc), exit_code=exc.exit_code))
        return self._stop

    async def _start_each(self, unsent: AsyncIterator[Unsent], under_way: asyncio.TaskGroup) -> None:
        places = asyncio.Semaphore(self._route.concurrency + self._route.concurrency // _AHEAD)
        await places.acquire()
        async for found in unsent:
            if self._stopping.is_set():
                break
            if self._spent_on(found) >= self._route.max_attempts:
                continue
            task = under_way.create_task(self._send(found), name=f"send {found.request.request_id}")
            task.add_done_callback(lambda _: places.release())
            await places.acquire()

    async def _send(self, unsent: Unsent) -> None:
        """Bring one request to rest. Expected failures stop the batch, and never cancel the others."""
        try:
            stage = await self._attempt_until_rest(unsent)
            if stage is Stage.SPLIT:
                for half in self._halves(unsent.request):
                    await self._send(Unsent(request=half))
        except NotFinished as exc:  # the ledger can't be used, or the batch is another process's by now
            self._stop_batch(Stop(message=str(exc), exit_code=exc.exit_code))
        else:
            self._on_rest(stage)

    async def _attempt_until_rest(self, unsent: Unsent) -> Stage:
        request = unsent.request
        renewed = False
        attempts = self._spent_on(unsent)
        earlier = unsent.attempts - attempts
        while True:
            await self._route.pace.wait(self._stopping)
            if self._stopping.is_set():
                return Stage.NOT_SENT
            attempts += 1
            sent = await self._exchange(request, earlier + attempts)
            answer = sent.answer
            situation = Situation(
                attempts=attempts,
                max_attempts=self._route.max_attempts,
                may_renew=self._route.client.can_renew and not renewed,
                jitter=self._route.clock.random(),
                was_in_doubt=unsent.doubts > 0,
                can_halve=len(request.customers) > 1,
            )
            step = next_step(answer, situation)
            renewed = renewed or answer.kind is AnswerKind.UNAUTHORIZED
            await self._record(request, earlier + attempts, sent, step)
            await self._heed(answer, step)
            if step.again_after is None:
                self._count(request.request_id, attempts, step.stage)
                return step.stage
            await pause(step.again_after, self._route.clock, self._stopping)

    def _spent_on(self, unsent: Unsent) -> int:
        return self._spent.get(unsent.request.request_id, unsent.spent)

    def _count(self, request_id: RequestId, attempts: int, stage: Stage) -> None:
        """Remember the attempts of a request that this run may send again."""
        if stage in {Stage.NOT_SENT, Stage.IN_DOUBT}:
            self._spent[request_id] = attempts
        else:
            self._spent.pop(request_id, None)

    def _halves(self, request: IssueRequest) -> tuple[IssueRequest, IssueRequest]:
        return halve(request, org_id=self._route.org_id, batch=self._route.batch)

    async def _exchange(self, request: IssueRequest, attempt: int) -> "_Sent":
        """Send a request once; return when that was, and what came back."""
        route, uptime = self._route, self._route.clock.uptime
        recorded, at = uptime(), await self._record_sending(request, attempt)
        async with self._slots:
            is_stale = uptime() - recorded > _FRESH_SECONDS
            if is_stale:
                await route.pace.wait(self._stopping)
            if self._stopping.is_set():
                return _Sent(at=at, answer=_STOPPED)
            await route.lease.ensure()
            if is_stale:
                at = await self._record_sending(request, attempt)
            if not route.lease.allows_sending:  # it passed in the meantime: somebody may look for the request
                return _Sent(at=at, answer=_STOOD_STILL)
            began = uptime()
            answer = await route.client.submit(request, route.inner)
            return _Sent(at=at, answer=answer, seconds=uptime() - began)

    async def _record_sending(self, request: IssueRequest, attempt: int) -> str:
        """Note durably that a request is about to be sent, and when."""
        route, at = self._route, self._route.clock.timestamp()
        sending = Sending(lease=route.lease.key, request_id=request.request_id, attempt=attempt, at=at)
        await route.journal.record(sending)
        return at

    async def _record(self, request: IssueRequest, attempt: int, sent: "_Sent", step: NextStep) -> None:
        """Make the answer durable before anything follows from it."""
        at, answer = self._route.clock.timestamp(), sent.answer
        said = None
        if answer.said is not None:
            settlement = settle(answer.said)
            said = Said(request_id=request.request_id, at=at, said=answer.said, settlement=settlement)
        answered = Answered(
            lease=self._route.lease.key,
            request_id=request.request_id,
            attempt=attempt,
            sent_at=sent.at,
            at=at,
            stage=step.stage,
            http_status=answer.http_status,
            error=answer.error,
            said=said,
            halves=self._halves(request) if step.stage is Stage.SPLIT else None,
        )
        fields: dict[str, object] = {"batch": self._route.batch, "request": request.request_id}
        fields |= {"attempt": attempt, "status": answer.http_status, "seconds": sent.seconds}
        if answer.said is not None:
            fields |= {"workflow_request": answer.said.workflow_request_id, "state": answer.said.state}
        await self._record_with_patience(answered, fields)
        quiet = step.stage is Stage.SUBMITTED
        log.log(logging.INFO if quiet else logging.WARNING, _EVENTS[step.stage], extra=fields)

    async def _record_with_patience(self, answered: Answered, fields: Mapping[str, object]) -> None:
        """Try more than once: what the server said is known nowhere else."""
        for seconds in _RECORD_AGAIN_AFTER:
            try:
                return await self._route.journal.record(answered)
            except LedgerUnavailable:
                log.warning("the ledger did not take an answer", extra=fields)
                await self._route.clock.sleep(seconds)
        try:
            return await self._route.journal.record(answered)
        except LedgerUnavailable:
            log.error("an answer is not recorded; the request is in doubt", extra=fields)  # noqa: TRY400 - reported by whoever stops the batch
            raise

    async def _heed(self, answer: Answer, step: NextStep) -> None:
        """Let one request's answer guide the whole batch: its pace, and whether it goes on."""
        delay = step.again_after if answer.retry_after is None else answer.retry_after
        if answer.kind is AnswerKind.RATE_LIMITED and delay is not None:
            await self._route.pace.postpone(delay)
        stop = step.stop or (None if answer in _HELD_BACK else self._breaker.record(answer))
        if stop is not None:
            self._stop_batch(stop)

    def _stop_batch(self, stop: Stop) -> None:
        self._stop = self._stop or stop
        self._stopping.set()
