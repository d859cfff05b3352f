"""What can be done with a batch, and the runs that do it."""

import re
from typing import Annotated, Final

from aiohttp import web
from pydantic import Field, StringConstraints

from batch_issuer.errors import OwnBatch
from batch_issuer.ledger.audit import Action as Audited
from batch_issuer.ledger.runs import SENDING, Action, Run
from batch_issuer.web.api.answers import answer
from batch_issuer.web.api.bodies import read_json
from batch_issuer.web.api.fields import Given, Written, read_document
from batch_issuer.web.api.telling import describe, run_path
from batch_issuer.web.console import console_of
from batch_issuer.web.routes import Handler
from batch_issuer.web.views.batch import batch_of
from batch_issuer.web.visitors import note, visitor_of

_RUN: Final = re.compile("[0-9a-f]{16}")
DECISIONS: Final = frozenset({Action.APPROVE, Action.REJECT})


class Decision(Given):
    """Why something is approved or rejected; the server keeps it with each request."""

    message: Annotated[
        str,
        StringConstraints(min_length=1, max_length=1_000),
        Written(pattern=r"^[^\x00-\x08]*$", told="must not hold control characters"),
    ] = Field(description="In words for the maker; not blank.")


async def show_run(request: web.Request) -> web.Response:
    """Tell how far a run is."""
    return answer(describe(request, await _run_of(request)))


async def stop_run(request: web.Request) -> web.Response:
    """Ask a run that sends to end in order."""
    run = await _run_of(request)
    if run.action not in SENDING:
        raise web.HTTPConflict(text=f"A run that does {run.action} is short, and can't be stopped.")
    if console_of(request).runs.stop(run.run):
        await note(request, Audited.PAUSE_ASKED, about=run.batch, detail={"run": run.run})
    return answer(describe(request, run), status=202, headers={"Location": run_path(run.run)})


async def _run_of(request: web.Request) -> Run:
    name = request.match_info["run"]
    found = await console_of(request).runs.find(name) if _RUN.fullmatch(name) else None
    if found is None:
        raise web.HTTPNotFound(text="There is no such run.")
    return found


def act(action: Action) -> Handler:
    """Return what does one thing with a batch in the background."""

    async def handle(request: web.Request) -> web.Response:
        console, visitor, batch = console_of(request), visitor_of(request), (await batch_of(request)).batch
        message = ""
        if action in DECISIONS:
            message = read_document(Decision, await read_json(request), where="body").message
        try:
            run = await console.runs.start(action, batch, by=visitor.actor, message=message)
        except OwnBatch:
            why: dict[str, object] = {"path": request.path, "why": "their own batch"}
            await note(request, Audited.ACCESS_REFUSED, about=batch, detail=why)
            raise
        return answer(describe(request, run), status=202, headers={"Location": run_path(run.run)})

    return handle
