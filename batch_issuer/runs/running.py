"""Works on runs, some at once, until each has ended or the server stops."""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.batch.ids import BatchId
from batch_issuer.errors import BatchInUse, BatchIssuerError, LedgerUnavailable
from batch_issuer.ledger.audit import Action, Actor, Entry, Via, append
from batch_issuer.ledger.records import Records
from batch_issuer.ledger.runs import Run, end_run, find_run, note_batch
from batch_issuer.runs.progress import RunProgress
from batch_issuer.runs.working import Workshop
from batch_issuer.submission import pause

log = logging.getLogger(__name__)

AT_ONCE: Final = 4
_TRIES: Final = 5
_PAUSE_SECONDS: Final = 5.0
_LONG_SECONDS: Final = 60.0
"""What failed after so long had worked before."""
_LONGEST_LEASE_SECONDS: Final = 7_300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """How a run ended."""

    exit_code: ExitCode
    message: str

    @classmethod
    def of(cls, exc: BatchIssuerError) -> "_End":
        return cls(exit_code=exc.exit_code, message=str(exc))


_SERVER: Final = Actor(user="", via=Via.SERVER)
_STOPPED: Final = _End(exit_code=ExitCode.NOT_FINISHED, message="it was stopped before it began")
_CUT_OFF: Final = _End(
    exit_code=ExitCode.NOT_FINISHED, message="it was stopped while the ledger could not be used"
)
_ERROR: Final = _End(
    exit_code=ExitCode.PROGRAM_ERROR, message="an error in the program; the server's log says more"
)


@dataclass(slots=True, kw_only=True, eq=False)
class _Live:
    """A run that this server works on, or that waits for its turn."""

    run: Run
    goes_on: bool
    """Whether it was begun before: whoever holds its batch may be dead, elsewhere."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    is_paused: bool = False
    """Whether somebody asked for its end: then it does not go on after a restart."""
    progress: RunProgress = field(default_factory=RunProgress)
    is_over: asyncio.Event = field(default_factory=asyncio.Event)
    _try: asyncio.Event = field(default_factory=asyncio.Event)
    """The stop of the present try: the work sets it, too, where it stops by itself."""

    def begin(self) -> asyncio.Event:
        """Return what asks a new try to stop."""
        self._try = asyncio.Event()
        if self.stopping.is_set():
            self._try.set()
        return self._try

    def stop(self) -> None:
        """Ask for an end in order."""
        self.stopping.set()
        self._try.set()


class Runner:
    """Has a task for each open run."""

    def __init__(self, records: Records, workshop: Workshop) -> None:
        """Work on nothing yet."""
        self.is_closing = False
        self._records = records
        self._workshop = workshop
        self._clock = workshop.clock
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._live: dict[str, _Live] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def take_up(self, run: Run, *, goes_on: bool) -> None:
        """Begin with a run, or go on with one that an earlier server has left."""
        fields = {"kind": run.action.value, "batch": run.batch or None}
        log.info("run taken up" if goes_on else "run started", extra=fields)
        live = _Live(run=run, goes_on=goes_on)
        self._live[run.run] = live
        task = asyncio.create_task(self._see_to(live), name=f"run {run.run}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def progress(self, run: str) -> RunProgress | None:
        """Tell how far a run has come, while it is open."""
        live = self._live.get(run)
        return None if live is None else live.progress

    def stop(self, run: str) -> bool:
        """Ask a run to end in order; False where it has ended."""
        live = self._live.get(run)
        if live is None:
            return False
        live.is_paused = True
        live.stop()
        return True

    async def wait(self, run: str) -> None:
        """Return once nothing works on a run any more."""
        live = self._live.get(run)
        if live is not None:
            await live.is_over.wait()

    async def close(self) -> None:
        """Stop all runs in order; those that did not finish stay open, for the next server."""
        self.is_closing = True
        for live in self._live.values():
            live.stop()
        try:
            await _all_of(self._tasks)
        except asyncio.CancelledError:
            for task in self._tasks:
                task.cancel()
            await _all_of(self._tasks)
            raise

    async def _see_to(self, live: _Live) -> None:
        """Work on a run when it is its turn, and record its end; one that our own stop cuts off has none."""
        noting: list[asyncio.Task[None]] = []

        def on_planned() -> None:
            noting.append(asyncio.create_task(self._note_batch(live.run), name="note a batch"))

        live.progress.on_planned = on_planned
        try:
            end = await self._in_turn(live)
            await _all_of(noting)
            is_cut_off = self.is_closing and not live.is_paused and end.exit_code is ExitCode.NOT_FINISHED
            if not is_cut_off:
                await self._record_end(live.run, end)
        finally:
            await _all_of(noting)
            del self._live[live.run.run]
            live.is_over.set()

    async def _in_turn(self, live: _Live) -> _End:
        if not await self._take_turn(live.stopping):
            return _STOPPED
        try:
            live.progress.is_waiting = False
            return await self._until_done(live)
        except Exception:  # the last line of defence: the server and its other runs go on
            log.exception("error in a run", extra={"kind": live.run.action.value})
            return _ERROR
        finally:
            self._turns.release()

    async def _until_done(self, live: _Live) -> _End:
        """Do the work; where the ledger fails, or a dead process seems to hold the batch, try again."""
        began, tries = self._clock.uptime(), 0
        while True:
            tried_at = self._clock.uptime()
            try:
                summary = await self._workshop.work(live.run, live.begin(), live.progress)
                return _End(exit_code=summary.exit_code, message=summary.message)
            except BatchInUse as exc:
                may_be_dead = live.goes_on and not exc.is_known_to_run
                if not may_be_dead or self._clock.uptime() - began > _LONGEST_LEASE_SECONDS:
                    return _End.of(exc)
            except LedgerUnavailable as exc:
                tries = 1 if self._clock.uptime() - tried_at > _LONG_SECONDS else tries + 1
                if tries == _TRIES:
                    return _End.of(exc)
                live.goes_on = True
            except BatchIssuerError as exc:
                return _End.of(exc)
            log.warning("run tried again", extra={"kind": live.run.action.value})
            if not await self._ledger_answers(live):
                return _CUT_OFF

    async def _ledger_answers(self, live: _Live) -> bool:
        """Wait a little, and until the ledger can be read; False where a stop comes first."""
        while True:
            await pause(_PAUSE_SECONDS, self._clock, live.stopping)
            if live.stopping.is_set():
                return False
            with suppress(BatchIssuerError):
                await self._records.read(find_run, live.run.run)
                return True

    async def _note_batch(self, run: Run) -> None:
        """Record which batch an upload has become; until then it is found by its upload."""
        with suppress(BatchIssuerError):
            present = await self._records.read(find_run, run.run)
            if present is not None and present.batch and present.upload:
                await self._records.write(note_batch, present, BatchId(present.batch))

    async def _record_end(self, run: Run, end: _End) -> None:
        """Record how a run ended, once the ledger takes it; after a stop before that the run goes on."""
        while True:
            try:
                present = await self._records.read(find_run, run.run) or run
                await self._records.write(_end, present, end, self._clock.timestamp())
            except BatchIssuerError:
                log.warning("the end of a run could not be recorded", extra={"kind": run.action.value})
                if self.is_closing:
                    return
                await self._clock.sleep(_PAUSE_SECONDS)
            else:
                fields = {"kind": run.action.value, "batch": present.batch or None}
                log.info("run ended", extra={**fields, "code": int(end.exit_code)})
                return

    async def _take_turn(self, stopping: asyncio.Event) -> bool:
        """Wait for a turn; False where a stop comes first."""
        taking = asyncio.create_task(self._turns.acquire())
        stop = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({taking, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
            has_turn = taking.done() and not taking.cancelled()
            if not has_turn:
                taking.cancel()
        if has_turn and stopping.is_set():
            self._turns.release()
        return has_turn and not stopping.is_set()


def _end(connection: Connection, run: Run, end: _End, at: str) -> None:
    if run.upload and run.batch:
        note_batch(connection, run, BatchId(run.batch))
    if end_run(connection, run.run, at=at, exit_code=end.exit_code, message=end.message):
        detail = {"run": run.run, "did": run.action.value, "exit_code": int(end.exit_code)}
        about = run.batch or run.upload
        append(connection, Entry.by(_SERVER, Action.RUN_ENDED, at=at, about=about, detail=detail))


async def _all_of(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Wait for the end of tasks, and of those that are added meanwhile."""
    while pending := {task for task in tasks if not task.done()}:
        await asyncio.wait(pending)
