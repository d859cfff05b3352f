"""Reads the states of many requests with few list calls."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from batch_issuer.batch.outcomes import ServerError, ServerRequest, settle
from batch_issuer.clock import Clock
from batch_issuer.gateway import Answer, AnswerKind, Client, Page
from batch_issuer.ledger import Journal, RequestRecord, Said
from batch_issuer.submission import Pace, pause

log = logging.getLogger(__name__)

_ATTEMPTS: Final = 4
_ONE_DAY: Final = timedelta(days=1)
_MOST_PAGES: Final = 100_000
_STOPPED: Final = Answer(
    kind=AnswerKind.NOT_REACHED, error=ServerError(message="stopped before the list was read to its end")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All that reading the server's list needs."""

    client: Client
    journal: Journal
    pace: Pace
    clock: Clock
    stopping: asyncio.Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one pass over the server's list brought."""

    asked: int
    """How many requests were looked for."""
    found: int = 0
    settled: int = 0
    """How many of those found are final now."""
    failure: Answer | None = None
    """Why the list could not be read to its end, if so."""

    @property
    def is_complete(self) -> bool:
        """Whether no request is open any more."""
        return self.settled == self.asked


async def read_states(view: View, open_requests: Iterable[RequestRecord], since: date) -> Reading:
    """Find open requests in the server's list, and record what the server says of them.

    A request is known by the server's id, or by ours where the answer was lost. Reading stops as
    soon as all are found, on an empty page, or where the server fails.
    """
    wanted = _Wanted(open_requests)
    asked, found, settled = len(wanted), 0, 0
    async for answer in _pages(view, since):
        if answer.page is None:
            return Reading(asked=asked, found=found, settled=settled, failure=answer)
        told = [
            Said(request_id=record.request_id, at=view.clock.timestamp(), said=said, settlement=settle(said))
            for said in answer.page.requests
            if (record := wanted.take(said)) is not None
        ]
        if told:
            await view.journal.record(*told)
        found += len(told)
        settled += sum(said.settlement.is_final for said in told)
        if not wanted:
            break
    return Reading(asked=asked, found=found, settled=settled)


class _Wanted:
    """The requests still looked for; each is taken once, so entries that a page repeats do no harm."""

    def __init__(self, records: Iterable[RequestRecord]) -> None:
        self._by_request = {record.request_id: record for record in records}
        self._by_workflow = {
            record.workflow_request_id: record
            for record in self._by_request.values()
            if record.workflow_request_id is not None
        }

    def __len__(self) -> int:
        return len(self._by_request)

    def take(self, said: ServerRequest) -> RequestRecord | None:
        record = self._by_workflow.get(said.workflow_request_id)
        if record is None and said.request_id is not None:
            lost = self._by_request.get(said.request_id)
            record = lost if lost is not None and lost.workflow_request_id is None else None
        if record is None or self._by_request.pop(record.request_id, None) is None:
            return None
        return record


async def _pages(view: View, since: date) -> AsyncIterator[Answer]:
    """Yield the pages from the first to the last before an empty one, then stop; or a failure."""
    # the server's dates are in a zone of its own: a day wider on both sides
    first_day, last_day = since - _ONE_DAY, view.clock.now().date() + _ONE_DAY
    previous: Page | None = None
    repeated = 0
    for number in range(_MOST_PAGES):
        answer = await _read_page(view, first_day, last_day, number)
        repeated = repeated + 1 if answer.page is not None and answer.page.repeats(previous) else 0
        # pages may count from 1: the first two are alike then; more than that is a list without pages
        if (answer.page is not None and answer.page.is_empty) or repeated > 1:
            return
        yield answer
        if answer.page is None:
            return
        previous = answer.page


async def _read_page(view: View, first_day: date, last_day: date, page: int) -> Answer:
    """Read one page; reading creates nothing, so it may be asked for again."""
    answer = _STOPPED
    may_renew = view.client.can_renew
    for attempt in range(_ATTEMPTS):
        await view.pace.wait(view.stopping)
        if view.stopping.is_set():
            return answer
        answer = await view.client.list_requests(first_day=first_day, last_day=last_day, page=page)
        match answer.kind:
            case AnswerKind.OK | AnswerKind.FORBIDDEN | AnswerKind.REFUSED:
                return answer
            case AnswerKind.UNAUTHORIZED if not may_renew:
                return answer
            case AnswerKind.UNAUTHORIZED:
                may_renew = False
            case AnswerKind.RATE_LIMITED:
                await view.pace.postpone(answer.retry_after or 2.0**attempt)
            case AnswerKind.NOT_REACHED | AnswerKind.IN_DOUBT:
                await pause(view.clock.random() * 2**attempt, view.clock, view.stopping)
    log.warning("the list can't be read", extra={"status": answer.http_status})
    return answer


def first_day_of(created_at: str) -> date:
    """Return the day of a ledger's time."""
    return datetime.fromisoformat(created_at).date()
