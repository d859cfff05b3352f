"""What one run does, by the pipeline's one way; and how it goes on where it was cut off."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from batch_issuer import pipeline
from batch_issuer.assembly import Services, open_services
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.clock import Clock
from batch_issuer.ledger.batches import BatchStage, find_batch
from batch_issuer.ledger.requests import unfinished_batches
from batch_issuer.ledger.runs import Action, Run, find_run
from batch_issuer.metrics import Measurements
from batch_issuer.notices import told
from batch_issuer.processes import Process, this_process
from batch_issuer.reports import Summary
from batch_issuer.runs.options import RunOptions
from batch_issuer.runs.progress import RunProgress
from batch_issuer.settings import Settings

LoadSettings = Callable[[Mapping[str, object]], Settings]
"""Loads the settings anew, for secrets change; what is given beats all else. Raises SettingsError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What every run of a server works with."""

    load_settings: LoadSettings
    clock: Clock
    measurements: Measurements
    process: Process = field(default_factory=this_process)

    async def work(self, run: Run, stopping: asyncio.Event, progress: RunProgress) -> Summary:
        """Do what a run is for, from where it stands in the ledger. Raises what the pipeline raises."""
        options = RunOptions.of(run.options, user=run.user, upload=run.upload)
        settings = self.load_settings(options.settings)
        async with open_services(
            settings,
            clock=self.clock,
            stopping=stopping,
            progress=progress,
            process=self.process,
            measurements=self.measurements,
        ) as services:
            present = await services.ledger.read(find_run, run.run) or run
            return await _do(services, present, options)


async def _do(services: Services, run: Run, options: RunOptions) -> Summary:
    match run.action:
        case Action.ISSUE:
            file = Path(options.issue.file_name or str(options.path))
            return await told(services, await _issuing(services, run, options), file=file)
        case Action.RESUME:
            return await told(services, lambda open_: pipeline.resume(open_, run.batch))
        case Action.RETRY:
            return await told(services, lambda open_: _retry(open_, run.batch))
        case Action.REFRESH:
            return await told(services, lambda open_: pipeline.refresh(open_, run.batch))
        case Action.APPROVE | Action.REJECT:
            is_approved = run.action is Action.APPROVE
            return await pipeline.decide(services, run.batch, approve=is_approved, message=options.message)


async def _retry(services: Services, batch: str) -> Summary:
    """Retry a batch; where an earlier try was cut off, first send what it has planned."""
    if batch in await services.ledger.read(unfinished_batches):
        summary = await pipeline.resume(services, batch)
        if summary.exit_code in {ExitCode.NOT_FINISHED, ExitCode.NO_PERMISSION}:
            return summary
    return await pipeline.retry(services, batch)


async def _issuing(
    services: Services, run: Run, options: RunOptions
) -> Callable[[Services], Awaitable[Summary]]:
    """Choose how to issue an upload: from its file, or on with the batch that it has become already."""
    known = await services.ledger.read(find_batch, run.batch) if run.batch else None
    if known is None:
        file = options.path or Path()
        return lambda open_: pipeline.issue(open_, file, options.issue)
    if known.stage is BatchStage.REFUSED:  # its files may be missing
        return lambda open_: pipeline.refresh(open_, known.batch)
    return lambda open_: pipeline.resume(open_, known.batch)
