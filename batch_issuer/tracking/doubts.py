"""In doubt, resolved: the server's list decides, and only a whole reading of it says "not created"."""

import logging
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from batch_issuer.batch.ids import BatchId
from batch_issuer.batch.outcomes import ServerError
from batch_issuer.gateway import Answer, AnswerKind
from batch_issuer.ledger import LeaseKey, Ledger, Missing, RequestRecord
from batch_issuer.ledger.requests import requests_in_doubt
from batch_issuer.submission import pause
from batch_issuer.tracking.asking import View
from batch_issuer.tracking.polling import Reading, read_states

log = logging.getLogger(__name__)

_READINGS: Final = 3
_LATER: Final = timedelta(seconds=2)
"""So much later than its time in the ledger a request may have been sent: such times have whole seconds,
and from one to the POST passes another at most."""
_KEEPS_CHANGING: Final = Answer(
    kind=AnswerKind.IN_DOUBT,
    error=ServerError(message="entries slipped from page to page while the list was read"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What a look-up brought."""

    may_send_again: int = 0
    """How many requests the server does not have: they are not sent, under the same id."""
    failure: Answer | None = None
    """Why the list could not be read, if so; the requests stay in doubt."""


async def resolve_doubts(
    view: View, ledger: Ledger, lease: LeaseKey, since: date, *, wait: timedelta
) -> Resolved:
    """Look all requests of a batch that are in doubt up in the server's list, in one reading.

    One that is found takes over the server's id and state. "Not found" counts only after `wait` (the
    time-out of an exchange and what the server takes to list a request) has passed since it was
    marked for sending, and after one whole reading; then the request is not sent. Raises BatchTakenOver
    where another process holds the batch's lease by now.
    """
    batch = BatchId(lease.name)
    doubtful = await ledger.read(requests_in_doubt, batch)
    if not doubtful:
        return Resolved()
    await _let_pass(view, [sent_at for _, sent_at in doubtful], wait)
    if view.stopping.is_set():
        return Resolved()
    reading = await _read_whole(view, [record for record, _ in doubtful], since)
    if reading.failure is not None:
        return Resolved(failure=reading.failure)
    at = view.clock.timestamp()
    if reading.missing:
        await view.journal.record(
            *(Missing(lease=lease, request_id=missing, at=at) for missing in reading.missing)
        )
    log.info("looked up what was in doubt", extra={"batch": batch, "count": len(doubtful)})
    return Resolved(may_send_again=len(reading.missing))


async def look_up_refused(
    view: View, refused: list[RequestRecord], since: date, *, wait: timedelta
) -> Reading:
    """Look requests up that the server has refused, before their rows get new ids.

    What a server or a proxy refused, and has all the same, is taken over; it may take `wait` to show.
    """
    await _let_pass(view, [record.updated_at for record in refused], wait)
    return await _read_whole(view, refused, since)


async def _let_pass(view: View, times: list[str], wait: timedelta) -> None:
    """Wait until some time has passed since the last of the ledger's times."""
    last = max((datetime.fromisoformat(time) for time in times), default=view.clock.now() - wait)
    left = last + wait + _LATER - view.clock.now()
    if left > timedelta(0):
        await pause(left.total_seconds(), view.clock, view.stopping)


async def _read_whole(view: View, records: list[RequestRecord], since: date) -> Reading:
    """Read until nothing is missing or the list was read whole; a list that keeps shifting is a failure."""
    for _ in range(_READINGS):
        reading = await read_states(view, records, since, whole=True)
        if reading.failure is not None or reading.is_whole or not reading.missing:
            return reading
    return Reading(asked=reading.asked, missing=reading.missing, failure=_KEEPS_CHANGING)
