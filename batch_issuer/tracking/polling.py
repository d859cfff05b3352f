"""Reads the states of many requests with few list calls."""

import logging
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from batch_issuer.batch.ids import RequestId, WorkflowRequestId
from batch_issuer.batch.outcomes import REPEATED_REQUEST_ID, ServerRequest, settle
from batch_issuer.batch.twins import Twin, choose_twin, twin_of
from batch_issuer.gateway import Answer, Page
from batch_issuer.ledger import RequestRecord, Said
from batch_issuer.tracking.asking import View, ask

log = logging.getLogger(__name__)

_ONE_DAY: Final = timedelta(days=1)
_MOST_PAGES: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one pass over the server's list brought."""

    asked: int
    """How many requests were looked for."""
    settled: int = 0
    """How many of them are final now."""
    missing: frozenset[RequestId] = frozenset()
    """Those that were not found."""
    is_whole: bool = False
    """The list was read from its first page to an empty one, and no entry slipped through."""
    failure: Answer | None = None
    """Why the list could not be read to its end, if so."""

    @property
    def found(self) -> int:
        """How many requests were found."""
        return self.asked - len(self.missing)

    @property
    def is_complete(self) -> bool:
        """Whether no request is open any more."""
        return self.settled == self.asked


async def read_states(
    view: View, open_requests: Iterable[RequestRecord], since: date, *, whole: bool = False
) -> Reading:
    """Find open requests in the server's list, and record what the server says of them and their twins.

    A request is known by our id, or by the server's. Reading stops where the server fails, on an
    empty page, or as soon as all are found: but not before the end where `whole` asks for all of it,
    or where one of them may have a twin.
    """
    wanted = _Wanted(open_requests)
    whole = whole or wanted.may_have_twins
    listing = _Listing()
    async for answer in _pages(view, since, listing):
        if answer.page is None:
            return wanted.reading(failure=answer)
        told = [
            Said(request_id=record.request_id, at=view.clock.timestamp(), said=said, settlement=settle(said))
            for said in answer.page.requests
            if (record := wanted.take(said)) is not None
        ]
        if told:
            await view.journal.record(*told)
        if not whole and not wanted.missing:
            break
    return wanted.reading(is_whole=listing.is_whole)


class _Wanted:
    """The requests that are looked for, and what was found of each."""

    def __init__(self, records: Iterable[RequestRecord]) -> None:
        self._by_request = {record.request_id: record for record in records}
        self._by_workflow = {
            record.workflow_request_id: record
            for record in self._by_request.values()
            if record.workflow_request_id is not None
        }
        self._twins: dict[RequestId, dict[WorkflowRequestId, Twin]] = {}

    @property
    def may_have_twins(self) -> bool:
        return any(
            record.doubts or record.error.code == REPEATED_REQUEST_ID for record in self._by_request.values()
        )

    @property
    def missing(self) -> frozenset[RequestId]:
        return frozenset(self._by_request.keys() - self._twins.keys())

    def take(self, said: ServerRequest) -> RequestRecord | None:
        """Return the request that an entry belongs to, but not twice where a page repeats the entry."""
        record = self._by_request.get(said.request_id) if said.request_id else None
        record = record or self._by_workflow.get(said.workflow_request_id)
        if record is None:
            return None
        twins = self._twins.setdefault(record.request_id, {})
        if said.workflow_request_id in twins:
            return None
        twins[said.workflow_request_id] = twin_of(said, settle(said))
        return record

    def reading(self, *, is_whole: bool = False, failure: Answer | None = None) -> Reading:
        counts = (choose_twin(twins.values()) for twins in self._twins.values())
        return Reading(
            asked=len(self._by_request),
            settled=sum(twin.is_final for twin in counts),
            missing=self.missing,
            is_whole=is_whole,
            failure=failure,
        )


class _Listing:
    """What was seen of the list as a whole: rows can shift from page to page while it is read."""

    def __init__(self) -> None:
        self._seen: set[WorkflowRequestId] = set()
        self._total = 0
        self.ended = False

    def add(self, page: Page) -> None:
        self._seen.update(said.workflow_request_id for said in page.requests)
        self._total = max(self._total, page.total or 0)

    @property
    def is_whole(self) -> bool:
        return self.ended and len(self._seen) >= self._total


async def _pages(view: View, since: date, listing: _Listing) -> AsyncIterator[Answer]:
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
            listing.ended = True
            return
        if answer.page is not None:
            listing.add(answer.page)
        yield answer
        if answer.page is None:
            return
        previous = answer.page


async def _read_page(view: View, first_day: date, last_day: date, page: int) -> Answer:
    answer = await ask(
        view, lambda: view.client.list_requests(first_day=first_day, last_day=last_day, page=page)
    )
    if answer.page is None and not view.stopping.is_set():
        log.warning("the list can't be read", extra={"status": answer.http_status})
    return answer


def first_day_of(created_at: str) -> date:
    """Return the day of a ledger's time."""
    return datetime.fromisoformat(created_at).date()
