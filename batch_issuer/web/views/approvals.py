"""What waits for a checker, over all batches: approved or rejected here, but never by who made it."""

from dataclasses import dataclass
from typing import Final

from aiohttp import web
from sqlalchemy import Connection

from batch_issuer.accounts import Role
from batch_issuer.errors import OwnBatch, RunExists, UsageError
from batch_issuer.gateway import normal_url
from batch_issuer.ledger.audit import Action as Audited
from batch_issuer.ledger.batches import find_batch
from batch_issuer.ledger.runs import Action, makers_of, runs_of_batch
from batch_issuer.ledger.waiting import Place, Waiting, waiting_batches
from batch_issuer.notices import age
from batch_issuer.web.console import console_of
from batch_issuer.web.events import HUB
from batch_issuer.web.next_steps import plain
from batch_issuer.web.rendering import render, see_other
from batch_issuer.web.routes import CHECKER, get, post
from batch_issuer.web.views.batch import batch_of
from batch_issuer.web.visitors import note, visitor_of

_LONGEST_MESSAGE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ToDecide:
    """A batch with requests that wait, and who made it."""

    waiting: Waiting
    issued_by: str
    makers: frozenset[str]
    is_decided: bool
    """Whether a decision is under way."""
    said: str
    """How the last decision ended, where not all of it was done."""


async def show_approvals(request: web.Request) -> web.Response:
    """Show what waits for a checker."""
    return await _page(request)


async def _page(
    request: web.Request, *, problem: str = "", batch: str = "", message: str = ""
) -> web.Response:
    console, visitor = console_of(request), visitor_of(request)
    settings, now = console.settings, console.clock.now()
    url = settings.base_url
    place = None if url is None else Place(base_url=normal_url(url), org_id=settings.org_id or "")

    def look(connection: Connection) -> list[ToDecide]:
        return [
            _to_decide(connection, waiting)
            for waiting in waiting_batches(connection, before=now, place=place)
        ]

    found = await console.records.look(look)
    return render(
        request,
        "approvals.html.j2",
        status=422 if problem else 200,
        found=found,
        ages={one.waiting.batch: age(now - one.waiting.since) for one in found},
        may_decide=visitor.has(Role.CHECKER),
        problem=problem,
        problem_of=batch,
        message=message,
    )


def _to_decide(connection: Connection, waiting: Waiting) -> ToDecide:
    batch = find_batch(connection, waiting.batch)
    decisions = [
        run
        for run in runs_of_batch(connection, waiting.batch)
        if run.action in {Action.APPROVE, Action.REJECT}
    ]
    return ToDecide(
        waiting=waiting,
        issued_by="" if batch is None else batch.issued_by,
        makers=makers_of(connection, waiting.batch),
        is_decided=any(run.is_open for run in decisions),
        said=plain(decisions[0].message) if decisions and not decisions[0].is_open else "",
    )


async def decide(request: web.Request) -> web.Response:
    """Approve or reject what waits of a batch, in the background."""
    batch, console = await batch_of(request), console_of(request)
    form = await request.post()
    decision, message = str(form.get("decision", "")), str(form.get("message", ""))
    actions = {Action.APPROVE.value: Action.APPROVE, Action.REJECT.value: Action.REJECT}
    if decision not in actions:
        raise web.HTTPBadRequest(text="Say whether it is approved or rejected, by one of the two buttons.")
    if len(message) > _LONGEST_MESSAGE:
        problem = f"The message is longer than {_LONGEST_MESSAGE:,} characters. Nothing was decided."
        return await _page(request, problem=problem, batch=batch.batch, message=message)
    try:
        await console.runs.start(
            actions[decision], batch.batch, by=visitor_of(request).actor, message=message.strip()
        )
    except RunExists:
        pass  # a double click, or another checker: one decision is under way
    except OwnBatch:
        why: dict[str, object] = {"path": request.path, "why": "their own batch"}
        await note(request, Audited.ACCESS_REFUSED, about=batch.batch, detail=why)
        raise
    except UsageError:
        problem = "Say in a few words why; the maker reads it. Nothing was decided."
        return await _page(request, problem=problem, batch=batch.batch, message=message)
    request.app[HUB].look_now(batch.batch)
    return see_other(f"/batches/{batch.batch}")


ROUTES: Final = (get("/approvals", show_approvals), post("/batches/{batch}/decide", decide, CHECKER))
