"""The page between the confirmation and the batch: how far a run is, until there is a batch to look at."""

import re
from typing import Any, Final

from aiohttp import web

from batch_issuer.ledger.batches import BatchStage, find_batch
from batch_issuer.ledger.runs import Run
from batch_issuer.web.console import Console, console_of
from batch_issuer.web.events import News, stream
from batch_issuer.web.next_steps import plain
from batch_issuer.web.rendering import environment, is_part, render, see_other
from batch_issuer.web.routes import get
from batch_issuer.web.views.batch import ACTION_WORDS

_RUN: Final = re.compile("[0-9a-f]{16}")
_PAUSE_SECONDS: Final = 0.5
_IDLE_SECONDS: Final = 5.0


async def run_of(request: web.Request) -> Run:
    """Return the run that an address names. Raises HTTPNotFound."""
    name = request.match_info["run"]
    found = await console_of(request).runs.find(name) if _RUN.fullmatch(name) else None
    if found is None:
        raise web.HTTPNotFound(text="There is no such run. The list of batches has what came of all of them.")
    return found


async def show_run(request: web.Request) -> web.Response:
    """Show how far a run is, or the batch that it has come to."""
    run, console = await run_of(request), console_of(request)
    if await has_batch(console, run):
        where = f"/batches/{run.batch}"
        return web.Response(headers={"HX-Redirect": where}) if is_part(request) else see_other(where)
    return render(request, "run.html.j2", **facts(console, run))


async def has_batch(console: Console, run: Run) -> bool:
    """Tell whether there is a batch whose page says more."""
    batch = await console.records.read(find_batch, run.batch) if run.batch else None
    return batch is not None and (batch.stage is not BatchStage.RECORDING or not run.is_open)


def facts(console: Console, run: Run, *, leads_on: bool = False) -> dict[str, Any]:
    """Return what the page shows, the same for whoever looks."""
    return {
        "run": run,
        "file_name": str(run.options.get("file_name") or ""),
        "progress": console.runs.progress(run.run),
        "said": plain(run.message),
        "words": ACTION_WORDS[run.action][1],
        "leads_on": leads_on,
    }


async def follow(request: web.Request) -> web.StreamResponse:
    """Tell an open page how far a run is."""
    run, console = await run_of(request), console_of(request)

    async def read() -> News:
        present = await console.runs.find(run.run) or run
        leads_on = await has_batch(console, present)
        template = environment().get_template("run_part.html.j2")
        part = template.render(facts(console, present, leads_on=leads_on))
        pause = _PAUSE_SECONDS if present.is_open else _IDLE_SECONDS
        return News(events={"progress": part}, pause_seconds=pause)

    return await stream(request, f"run {run.run}", read, {})


ROUTES: Final = (get("/runs/{run}", show_run), get("/runs/{run}/events", follow))
