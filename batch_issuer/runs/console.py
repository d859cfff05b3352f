"""What a server does for its users in the background: who may ask for it, and what is under way."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection

from batch_issuer.acceptance import IssueOptions
from batch_issuer.clock import Clock
from batch_issuer.errors import KeyReused, LedgerUnavailable, OwnBatch, RunExists, UnknownBatch, UsageError
from batch_issuer.ledger import audit
from batch_issuer.ledger.audit import Actor, Entry, append
from batch_issuer.ledger.batches import find_batch
from batch_issuer.ledger.records import Records
from batch_issuer.ledger.runs import (
    DECIDING,
    Action,
    IdempotencyKey,
    Run,
    add_run,
    find_key,
    find_run,
    list_open_runs,
    makers_of,
    runs_of_batch,
)
from batch_issuer.metrics import Measurements
from batch_issuer.processes import Process, this_process
from batch_issuer.runs.lease import only_console
from batch_issuer.runs.options import RunOptions
from batch_issuer.runs.progress import RunProgress
from batch_issuer.runs.running import Runner
from batch_issuer.runs.working import LoadSettings, Workshop
from batch_issuer.submission import Lease
from batch_issuer.tasks import see_through

_DRAWN_BITS: Final = 20
_ASKED: Final = {
    Action.ISSUE: audit.Action.ISSUE_CONFIRMED,
    Action.RESUME: audit.Action.RESUME_ASKED,
    Action.RETRY: audit.Action.RETRY_ASKED,
    Action.REFRESH: audit.Action.REFRESH_ASKED,
    Action.APPROVE: audit.Action.APPROVE_ASKED,
    Action.REJECT: audit.Action.REJECT_ASKED,
}


class Runs:
    """The runs of one server; `open_runs` opens them."""

    def __init__(self, records: Records, lease: Lease, runner: Runner, clock: Clock) -> None:
        """Ask a runner that works."""
        self._records = records
        self._lease = lease
        self._runner = runner
        self._clock = clock
        self._recording = asyncio.Lock()
        self._latest_id = 0

    async def issue(  # noqa: PLR0913 - one keyword for each fact
        self,
        upload: str,
        path: Path,
        options: IssueOptions,
        *,
        by: Actor,
        settings: Mapping[str, Any] | None = None,
        key: IdempotencyKey | None = None,
    ) -> Run:
        """Issue an upload in the background; `settings` hold for it alone.

        Under a key that came before with the same wish this is the run that was made then. Raises
        RunExists where the upload is issued already, KeyReused, and LedgerUnavailable.
        """
        chosen = RunOptions(path=path, issue=options, settings=settings or {})
        run = Run(
            run=self._new_id(),
            action=Action.ISSUE,
            upload=upload,
            user=by.user,
            via=by.via.value,
            options=chosen.stored(),
            made_at=self._clock.timestamp(),
        )
        return await self._begin(run, by, key=key)

    async def start(self, action: Action, batch: str, *, by: Actor, message: str = "") -> Run:
        """Do something with a batch in the background.

        Raises RunExists where that is under way, OwnBatch where a maker of the batch wants to decide it,
        UnknownBatch, UsageError and LedgerUnavailable.
        """
        if await self._records.read(find_batch, batch) is None:
            raise UnknownBatch(batch)
        if action in DECIDING and not message.strip():
            raise UsageError("the message is blank; say why it is approved or rejected")
        run = Run(
            run=self._new_id(),
            action=action,
            batch=batch,
            user=by.user,
            via=by.via.value,
            options=RunOptions(message=message).stored(),
            made_at=self._clock.timestamp(),
        )
        return await self._begin(run, by)

    async def find(self, run: str) -> Run | None:
        """Return a run, if there is one of this id."""
        return await self._records.read(find_run, run)

    async def made_under(self, user: str, key: IdempotencyKey) -> Run | None:
        """Return what a user has made under a key before. Raises KeyReused where that was something else."""
        kept = await self._records.read(find_key, user, key.key)
        if kept is None:
            return None
        if kept.digest != key.digest:
            raise KeyReused(key.key)
        return await self.find(kept.run)

    async def of_batch(self, batch: str) -> list[Run]:
        """Return the runs of a batch, the latest first."""
        return await self._records.read(runs_of_batch, batch)

    async def list_open(self) -> list[Run]:
        """Return the runs that have not ended, the oldest first."""
        return await self._records.read(list_open_runs)

    def progress(self, run: str) -> RunProgress | None:
        """Tell how far a run has come, while it is open."""
        return self._runner.progress(run)

    async def wait(self, run: str) -> None:
        """Return once nothing works on a run any more."""
        await self._runner.wait(run)

    def stop(self, run: str) -> bool:
        """Ask a run to end in order; False where it has ended. What it has left `resume` takes up."""
        return self._runner.stop(run)

    def _new_id(self) -> str:
        """Draw an id that no other run has; later ones are greater, also within a second."""
        milliseconds = int(self._clock.now().timestamp() * 1_000)
        self._latest_id = max(
            self._latest_id + 1, milliseconds << _DRAWN_BITS | secrets.randbits(_DRAWN_BITS)
        )
        return f"{self._latest_id:016x}"

    async def _begin(self, run: Run, by: Actor, *, key: IdempotencyKey | None = None) -> Run:
        """Record a run and take it up, both or neither, also where the caller is gone meanwhile."""
        return await see_through(self._record(run, by, key))

    async def _record(self, run: Run, by: Actor, key: IdempotencyKey | None) -> Run:
        async with self._recording:
            if self._runner.is_closing:
                raise LedgerUnavailable("the server is stopping; ask again when it is back")
            if key is not None and (earlier := await self.made_under(run.user, key)) is not None:
                return earlier
            recorded = await self._lease.write(_add, run, by, key)
            if recorded.run != run.run:
                about = f"upload {run.upload}" if run.upload else f"batch {run.batch}"
                raise RunExists(recorded.run, about=about)
            self._runner.take_up(recorded, goes_on=False)
        return recorded


def _add(connection: Connection, run: Run, by: Actor, key: IdempotencyKey | None) -> Run:
    """Record a run, and in the audit log who asked for it; or return the run that stands in its way.

    Raises OwnBatch where a maker of the batch wants to decide it.
    """
    if run.action in DECIDING:
        makers = makers_of(connection, run.batch)
        if run.user.casefold() in {maker.casefold() for maker in makers}:
            raise OwnBatch(run.batch, run.user)
    recorded = add_run(connection, run, key)
    if recorded.run == run.run:
        about = run.upload or run.batch
        detail = {"run": run.run}
        append(connection, Entry.by(by, _ASKED[run.action], at=run.made_at, about=about, detail=detail))
    return recorded


@asynccontextmanager
async def open_runs(
    records: Records,
    load_settings: LoadSettings,
    *,
    clock: Clock,
    measurements: Measurements | None = None,
    process: Process | None = None,
) -> AsyncIterator[Runs]:
    """Go on with what an earlier server has left, and do what is asked for; on leaving stop it in order.

    Raises ConsoleInUse where another server does that for this ledger.
    """
    mine = process or this_process()
    workshop = Workshop(
        load_settings=load_settings, clock=clock, measurements=measurements or Measurements(), process=mine
    )
    async with only_console(records, process=mine, clock=clock) as lease:
        runner = Runner(records, workshop)
        for run in await records.read(list_open_runs):
            runner.take_up(run, goes_on=True)
        try:
            yield Runs(records, lease, runner, clock)
        finally:
            await runner.close()
