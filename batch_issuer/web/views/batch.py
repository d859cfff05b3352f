"""The page of one batch: how it stands, what to do next, and its files; the figures follow by events."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from time import perf_counter, thread_time
from typing import Any, Final

from aiohttp import web
from sqlalchemy import Connection

from batch_issuer.accounts import Role
from batch_issuer.batch.ids import is_batch_id
from batch_issuer.errors import RunExists
from batch_issuer.intake.copying import copy_in
from batch_issuer.ledger import Batch, BatchStage
from batch_issuer.ledger.audit import Action as Audited
from batch_issuer.ledger.batches import find_batch
from batch_issuer.ledger.runs import SENDING, Action
from batch_issuer.notices import age
from batch_issuer.reports.files import REPORTS
from batch_issuer.web.batch_state import BatchState, Remembered, read_state
from batch_issuer.web.console import Console, console_of
from batch_issuer.web.downloads import send_batch_file
from batch_issuer.web.events import HUB, News, stream
from batch_issuer.web.next_steps import next_step, plain
from batch_issuer.web.rendering import environment, render, see_other
from batch_issuer.web.routes import ANYONE, MAKER, Handler, get, post
from batch_issuer.web.visitors import note, visitor_of

REMEMBERED: Final = web.AppKey("remembered", Remembered)
_PAUSE_SECONDS: Final = 0.5
_IDLE_SECONDS: Final = 3.0
_SHARE: Final = 30
"""Reading takes at most this fraction of the time."""
_SPOKEN_STEPS: Final = 10
FILE_WORDS: Final = {
    "reconciliation.csv": "what became of each row",
    "requests.csv": "each request and its state",
    "rejects.csv": "the invalid rows, to be corrected and brought again",
    "failed.csv": "the rows that failed, each with its reason",
    "report.html": "the same to look at and to pass on",
    "summary.json": "the figures, for programs",
    "input.csv": "the file as it came",
    "input.xlsx": "the file as it came",
    "input.parquet": "the file as it came",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLine:
    """A file of a batch that there is."""

    name: str
    words: str
    size: int


async def batch_of(request: web.Request) -> Batch:
    """Return the batch that an address names. Raises HTTPNotFound."""
    name = request.match_info["batch"]
    found = await console_of(request).records.read(find_batch, name) if is_batch_id(name) else None
    if found is None:
        raise web.HTTPNotFound(text="There is no such batch. The list of batches has all there are.")
    return found


async def show_batch(request: web.Request) -> web.Response:
    """Show how a batch stands."""
    batch = await batch_of(request)
    state = await state_of(request, batch.batch)
    return render(request, "batch.html.j2", **_facts(request, state))


async def show_now(request: web.Request) -> web.Response:
    """Show the parts of the page that change with what was asked for."""
    batch = await batch_of(request)
    state = await state_of(request, batch.batch)
    return render(request, "batch_now_part.html.j2", **_facts(request, state))


async def state_of(request: web.Request, batch: str) -> BatchState:
    """Read how a batch stands. Raises HTTPNotFound."""
    console, remembered = console_of(request), request.app[REMEMBERED]
    now, known = console.clock.now(), remembered.of(batch)
    state = await console.records.look(partial(read_state, batch=batch, now=now, known=known))
    if state is None:
        raise web.HTTPNotFound(text="There is no such batch any more.")
    remembered.keep(state)
    return state


def _facts(request: web.Request, state: BatchState) -> dict[str, Any]:
    console, visitor = console_of(request), visitor_of(request)
    step = next_step(state)
    may_send, may_read = visitor.has(Role.MAKER), visitor.has(Role.MAKER, Role.CHECKER)
    allowed = {Action.RESUME: may_send, Action.RETRY: may_send, Action.REFRESH: may_read}
    return {
        "state": state,
        "batch": state.batch,
        "step": step,
        "actions": [action for action in step.actions if allowed.get(action) and not state.is_open(action)],
        "can_decide": visitor.has(Role.CHECKER) and visitor.user not in state.makers,
        "waits": _waits(console, state),
        "files": files_of(console, state.batch),
        "is_open": bool(state.open_runs or state.worker),
        "ACTION_WORDS": ACTION_WORDS,
        "plain": plain,
        **figures(console, state),
    }


def _waits(console: Console, state: BatchState) -> str:
    """Say how long the oldest approval has been pending, where one is."""
    since = state.live.waiting_since
    if not since or state.batch.pruned_at:
        return ""
    return age(console.clock.now() - datetime.fromisoformat(since))


ACTION_WORDS: Final = {
    Action.ISSUE: ("Issue", "issued"),
    Action.RESUME: ("Resume", "resumed"),
    Action.RETRY: ("Retry what failed", "retried"),
    Action.REFRESH: ("Refresh", "refreshed"),
    Action.APPROVE: ("Approve", "approved"),
    Action.REJECT: ("Reject", "rejected"),
}


def figures(console: Console, state: BatchState) -> dict[str, Any]:
    """Return what the part with the figures shows, the same for whoever looks."""
    sending = state.sending
    progress = None if sending is None else console.runs.progress(sending.run)
    return {
        "batch": state.batch,
        "state": state,
        "progress": progress,
        "is_recording": state.batch.stage is BatchStage.RECORDING,
    }


def files_of(console: Console, batch: Batch) -> list[FileLine]:
    """List the files of a batch that there are."""
    folder = console.settings.output / batch.batch
    paths = [*(folder / name for name in FILE_WORDS if name in REPORTS), copy_in(folder)]
    return [
        FileLine(name=path.name, words=FILE_WORDS[path.name], size=path.stat().st_size)
        for path in paths
        if path.is_file()
    ]


async def send_file(request: web.Request) -> web.StreamResponse:
    """Send one of the files of a batch, to be kept under a name that says whose it is."""
    return await send_batch_file(request, await batch_of(request), FILE_WORDS)


def act(action: Action) -> Handler:
    """Return what asks for something in the background, and shows the batch again."""

    async def handle(request: web.Request) -> web.Response:
        batch, console = await batch_of(request), console_of(request)
        with suppress(RunExists):  # a double click: it is under way
            await console.runs.start(action, batch.batch, by=visitor_of(request).actor)
        request.app[HUB].look_now(batch.batch)
        return see_other(f"/batches/{batch.batch}")

    return handle


async def pause(request: web.Request) -> web.Response:
    """Ask what sends a batch to stop in order."""
    batch, console = await batch_of(request), console_of(request)
    for run in await console.runs.of_batch(batch.batch):
        if run.is_open and run.action in SENDING and console.runs.stop(run.run):
            await note(request, Audited.PAUSE_ASKED, about=batch.batch, detail={"run": run.run})
    return see_other(f"/batches/{batch.batch}")


async def follow(request: web.Request) -> web.StreamResponse:
    """Tell an open page what changes of a batch."""
    batch = await batch_of(request)
    reader = BatchReader(console_of(request), batch.batch, request.app[REMEMBERED])
    return await stream(request, batch.batch, reader.read, {"changed": request.query.get("seen", "")})


class BatchReader:
    """Reads how a batch stands for all who watch it."""

    def __init__(self, console: Console, batch: str, remembered: Remembered) -> None:
        """Begin with what is remembered of it."""
        self._console = console
        self._batch = batch
        self._remembered = remembered
        self._executed = remembered.of(batch)
        self._exact_from = float("-inf")

    async def read(self) -> News:
        """Read once; it is looked at again soon while something is under way."""
        state, seconds = await self._console.records.look(self._look)
        if state is None:  # its input was refused while it was recorded: the page asks, and is told
            return News(events={"changed": "gone"}, pause_seconds=_IDLE_SECONDS)
        has_counted = state.executed is not self._executed
        if has_counted:
            self._executed = state.executed
            self._exact_from = perf_counter() + _SHARE * seconds
            self._remembered.keep(state)
        part = environment().get_template("batch_figures.html.j2").render(figures(self._console, state))
        events = {"figures": part, "spoken": spoken(state), "changed": state.mark}
        pause_seconds = _PAUSE_SECONDS if state.open_runs or state.worker else _IDLE_SECONDS
        share_seconds = 0.0 if has_counted else _SHARE * seconds  # counting has a share of its own
        return News(events=events, pause_seconds=max(pause_seconds, share_seconds))

    def _look(self, connection: Connection) -> tuple[BatchState | None, float]:
        """Read in a thread, and tell what that took of a processor: waiting for others costs them nothing."""
        began, is_exact = thread_time(), perf_counter() >= self._exact_from
        now = self._console.clock.now()
        state = read_state(connection, self._batch, now=now, known=self._executed, is_exact=is_exact)
        return state, thread_time() - began


def spoken(state: BatchState) -> str:
    """Say how a batch stands to who hears the page: seldom enough to listen to."""
    title = next_step(state).title
    if state.sending is None or not state.live.requests:
        return title
    tenths = _SPOKEN_STEPS * state.live.at_rest // state.live.requests
    return f"{title}: {tenths * 100 // _SPOKEN_STEPS}% of the requests"


ROUTES: Final = (
    get("/batches/{batch}", show_batch),
    get("/batches/{batch}/now", show_now),
    get("/batches/{batch}/events", follow),
    get("/batches/{batch}/files/{name}", send_file, ANYONE),
    post("/batches/{batch}/resume", act(Action.RESUME), MAKER),
    post("/batches/{batch}/retry", act(Action.RETRY), MAKER),
    post("/batches/{batch}/refresh", act(Action.REFRESH), frozenset({Role.MAKER, Role.CHECKER})),
    post("/batches/{batch}/pause", pause, MAKER),
)
