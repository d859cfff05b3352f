"""The rows of a batch, searched in the ledger, and its requests; a page at a time."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy import Connection

from batch_issuer.batch.outcomes import Outcome
from batch_issuer.ledger import Batch, RequestRecord
from batch_issuer.ledger.request_pages import (
    FoundRequests,
    RequestFilter,
    RequestPlace,
    count_by_state,
    find_requests,
)
from batch_issuer.notices import age
from batch_issuer.reports import OUTCOME_WORDS, FoundRows, RowFilter, find_rows, shown_state
from batch_issuer.web.console import console_of
from batch_issuer.web.inputs import source_of
from batch_issuer.web.rendering import render
from batch_issuer.web.routes import get
from batch_issuer.web.views.batch import batch_of

_ON_A_PAGE: Final = 50
_LONGEST_TEXT: Final = 200
_LAST_ROW: Final = 4_294_967_295
WAITING: Final = "waiting"


async def show_rows(request: web.Request) -> web.Response:
    """Show a page of rows, as far as they are what is looked for."""
    batch = await batch_of(request)
    wanted = RowFilter(
        outcomes=frozenset(_outcomes(request)),
        text=_text(request.query.get("text", "")),
        after=_number(request.query.get("after", "")),
        limit=_ON_A_PAGE,
    )
    console = console_of(request)

    folder = console.settings.output / batch.batch

    def look(connection: Connection) -> FoundRows:
        return find_rows(connection, batch, source_of(batch, folder), wanted)

    found = await console.records.look(look)
    return render(
        request,
        "batch_rows.html.j2",
        batch=batch,
        wanted=wanted,
        found=found,
        outcomes=OUTCOME_WORDS,
        first=_address(batch, "rows", request) if wanted.after else "",
        more=_address(batch, "rows", request, after=found.next_after) if found.next_after else "",
    )


def _outcomes(request: web.Request) -> list[Outcome]:
    known = {outcome.value: outcome for outcome in Outcome}
    return [known[word] for word in request.query.getall("outcome", []) if word in known]


def _text(given: str) -> str:
    """Return what may be looked for."""
    return "".join(char for char in given.strip() if char.isprintable())[:_LONGEST_TEXT]


def _number(given: str) -> int:
    is_number = given.isascii() and given.isdigit() and len(given) <= len(str(_LAST_ROW))
    return min(int(given), _LAST_ROW) if is_number else 0


def _address(batch: Batch, what: str, request: web.Request, **changed: object) -> str:
    """Return the address of another page of what is looked for."""
    fields = [(name, value) for name, value in request.query.items() if name != "after" and value]
    fields += [(name, str(value)) for name, value in changed.items()]
    return f"/batches/{batch.batch}/{what}" + (f"?{urlencode(fields)}" if fields else "")


async def show_requests(request: web.Request) -> web.Response:
    """Show a page of requests, all or those in one state."""
    batch = await batch_of(request)
    word = request.query.get("state", "")
    after = RequestPlace.parse(request.query.get("after", ""))

    def look(connection: Connection) -> tuple[FoundRequests, Mapping[str, int]]:
        counts = count_by_state(connection, batch.batch)
        stages = [pair for pair in counts if shown_state(*pair) == word]
        if not stages and word not in {"", WAITING}:
            return FoundRequests(), _by_word(counts)
        wanted = RequestFilter(stages=stages, is_waiting=word == WAITING, after=after, limit=_ON_A_PAGE)
        return find_requests(connection, batch.batch, wanted), _by_word(counts)

    found, counts = await console_of(request).records.look(look)
    more = found.next_after
    return render(
        request,
        "batch_requests.html.j2",
        batch=batch,
        word=word,
        counts=counts,
        found=found,
        shown_state=shown_state,
        ages=_ages(found.requests, console_of(request).clock.now()),
        first=_address(batch, "requests", request) if after else "",
        more=_address(batch, "requests", request, after=more) if more else "",
    )


def _ages(records: Sequence[RequestRecord], now: datetime) -> Mapping[str, str]:
    """Say how long those that wait for a checker have waited."""
    return {
        record.request_id: age(now - datetime.fromisoformat(record.submitted_at))
        for record in records
        if record.outcome is Outcome.PENDING and not record.is_final and record.submitted_at
    }


def _by_word(counts: Mapping[tuple[str, str], int]) -> Mapping[str, int]:
    words: dict[str, int] = {}
    for (stage, state), count in sorted(counts.items()):
        word = shown_state(stage, state)
        words[word] = words.get(word, 0) + count
    return words


ROUTES: Final = (
    get("/batches/{batch}/rows", show_rows),
    get("/batches/{batch}/requests", show_requests),
)
