"""The start page: every batch of the ledger, the latest first, with who issued it and how it stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy import Connection

from batch_issuer.batch.exit_codes import NEED_A_LOOK, UNFINISHED
from batch_issuer.batch.ids import is_batch_id
from batch_issuer.batch.outcomes import Outcome
from batch_issuer.ledger import Batch, BatchStage
from batch_issuer.ledger.batch_pages import find_batches
from batch_issuer.ledger.runs import SENDING, list_open_runs
from batch_issuer.web.batch_state import quick_counts
from batch_issuer.web.console import console_of
from batch_issuer.web.rendering import render
from batch_issuer.web.routes import get

_ON_A_PAGE: Final = 25
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLine:
    """A batch as the list shows it."""

    batch: Batch
    counts: Mapping[Outcome, int]
    kind: str
    """good, wait or bad: how its state is shown."""
    words: str


async def show_batches(request: web.Request) -> web.Response:
    """List the batches, as far as they are what is looked for."""
    text, user = (_text(request.query.get(name, "")) for name in ("text", "user"))
    after = request.query.get("after", "")
    after = after if is_batch_id(after) else ""

    def look(connection: Connection) -> tuple[list[BatchLine], str]:
        found = find_batches(connection, issued_by=user, text=text, after=after, limit=_ON_A_PAGE)
        sent = {run.batch for run in list_open_runs(connection) if run.action in SENDING}
        lines = [_line(connection, batch, is_sent=batch.batch in sent) for batch in found.batches]
        return lines, found.next

    lines, more = await console_of(request).records.look(look)
    return render(
        request,
        "batches.html.j2",
        lines=lines,
        text=text,
        user=user,
        is_searched=bool(text or user or after),
        newest=_address(text, user) if after else "",
        older=_address(text, user, after=more) if more else "",
    )


def _text(given: str) -> str:
    return "".join(char for char in given.strip() if char.isprintable())[:_LONGEST]


def _address(text: str, user: str, *, after: str = "") -> str:
    fields = {"text": text, "user": user, "after": after}
    given = {name: value for name, value in fields.items() if value}
    return f"/?{urlencode(given)}" if given else "/"


def _line(connection: Connection, batch: Batch, *, is_sent: bool) -> BatchLine:
    """Say how a batch stands; only of one that is under way, or was never reported, requests are counted."""
    is_known = bool(batch.counts) and not is_sent
    counts = (
        {outcome: batch.counts[outcome] for outcome in Outcome if batch.counts.get(outcome)}
        if is_known and not batch.pruned_at
        else quick_counts(connection, batch)
    )
    kind, words = _words(batch, counts, is_sent=is_sent)
    return BatchLine(batch=batch, counts=counts, kind=kind, words=words)


def _words(batch: Batch, counts: Mapping[Outcome, int], *, is_sent: bool) -> tuple[str, str]:
    """Say how a batch stands: the first line that holds."""
    lines = (
        (bool(batch.pruned_at), ("", "pruned")),
        (batch.stage is BatchStage.REFUSED, ("bad", "refused")),
        (is_sent, ("wait", "under way")),
        (batch.stage is BatchStage.RECORDING, ("bad", "not finished")),
        (not UNFINISHED.isdisjoint(counts), ("bad", "not finished")),
        (Outcome.PENDING in counts, ("wait", "waits for approval")),
        (not NEED_A_LOOK.isdisjoint(counts), ("bad", "needs a look")),
        (True, ("good", "done")),
    )
    return next(words for holds, words in lines if holds)


ROUTES: Final = (get("/", show_batches),)
