"""Several files issued side by side: each with services, a pace and a breaker of its own."""

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import typer

from batch_issuer.acceptance import IssueOptions
from batch_issuer.assembly import Services, open_services
from batch_issuer.batch.commands import for_profile
from batch_issuer.batch.exit_codes import ExitCode, first_of_files
from batch_issuer.cli.progress import SummedProgress, beside_bars
from batch_issuer.cli.rendering import counts_of, print_json
from batch_issuer.cli.running import (
    is_watched,
    leave_metrics_of,
    log_start,
    opener_of_engine,
    run_until_stopped,
    set_up,
    settings_again,
    warn_of_variables,
)
from batch_issuer.cli.standard_input import input_file, shown_file
from batch_issuer.clock import Clock
from batch_issuer.engine import Engine
from batch_issuer.errors import (
    BatchInUse,
    BatchIssuerError,
    SettingsError,
    UnknownProfile,
    UsageError,
    said_of_program,
)
from batch_issuer.metrics import Measurements, RunEnd
from batch_issuer.notices import told
from batch_issuer.pipeline import issue
from batch_issuer.reports import Summary
from batch_issuer.settings import Settings
from batch_issuer.site import Site
from batch_issuer.tasks import stop_of_its_own
from batch_issuer.tracking import Wait

if TYPE_CHECKING:
    from batch_issuer.cluster.dask_engine import DaskEngine

log = logging.getLogger(__name__)

AT_ONCE: Final = 8
"""So many files are under way at a time, in the order in which they were given."""
_NAMED_ANEW: Final = 10
"""So often a file is named anew, where others of its content were given that name in the same second."""


@dataclass(slots=True, kw_only=True, eq=False)
class Job:
    """One file of several, and what became of it."""

    file: str
    profile: str | None
    settings: Settings | SettingsError
    """Or why there are none."""
    measurements: Measurements = field(default_factory=Measurements)
    summary: Summary | None = None
    problem: str = ""
    exit_code: ExitCode = ExitCode.NOT_FINISHED
    engine: Engine | None = None

    @property
    def shown(self) -> str:
        """The file as people may see it."""
        return shown_file(self.file)

    def fail(self, problem: str, code: ExitCode) -> None:
        """Say in one line why the file is not issued, or not to its end."""
        self.problem, self.exit_code = for_profile(problem, self.profile), code
        with beside_bars():
            typer.echo(f"batch-issuer: {self.shown}: {self.problem}", err=True)

    def problem_json(self) -> dict[str, Any]:
        """Write why there is no summary of it."""
        return {
            "file": self.shown,
            "profile": self.profile or "",
            "exit_code": int(self.exit_code),
            "problem": self.problem,
        }


def issue_side_by_side(
    context: typer.Context,
    files: Sequence[str],
    given: Mapping[str, object],
    options: IssueOptions,
    wait: Wait,
    *,
    as_json: bool,
) -> NoReturn:
    """Issue several files, and print what became of each. Ends with the exit code of all.

    Raises UsageError before anything is begun where the files or profiles can't be meant so, and
    SettingsError where there are settings for none of them.
    """
    _check_files(files)
    jobs = _make_jobs(context, files, given)
    progress = SummedProgress(is_shown=is_watched(context))
    try:
        run_until_stopped(lambda stopping: _issue_all(context, jobs, _Run(options, wait, stopping, progress)))
    finally:
        progress.close()
    code = exit_code_of(jobs)
    _print_as_json(jobs, code) if as_json else _print(jobs)
    raise typer.Exit(code)


def exit_code_of(jobs: Sequence[Job]) -> ExitCode:
    """Choose the exit code of all: the first of 1, 6, 5, 4, 0, where a refused file counts as 4.

    It is 2 where the settings, or the names of the files, kept every one from being issued.
    """
    codes = [job.exit_code for job in jobs]
    return ExitCode.USAGE if set(codes) == {ExitCode.USAGE} else first_of_files(codes)


def _check_files(files: Sequence[str]) -> None:
    if "-" in files:
        raise UsageError("- is standard input, which can be issued alone, but not beside other files")
    seen: set[str] = set()
    for file in files:
        shown = shown_file(file)  # refuses a URL that holds a secret
        real = file if "://" in file else os.path.realpath(file)
        if real in seen:
            raise UsageError(f"{shown} is given twice; nothing was begun")
        seen.add(real)


def _make_jobs(context: typer.Context, files: Sequence[str], given: Mapping[str, object]) -> list[Job]:
    """Load the settings of each file; what is wrong with some profiles does not keep the others away."""
    profiles: Sequence[str | None] = context.obj.profiles or (None,)
    if len(profiles) not in {1, len(files)}:
        raise UsageError(
            f"--profile is given {len(profiles)} times for {len(files)} files; "
            "give one for all, or one for each"
        )
    each = profiles if len(profiles) == len(files) else list(profiles) * len(files)
    loaded = {profile: _load(context, {**given, "profile": profile}) for profile in dict.fromkeys(each)}
    several = [settings for settings in loaded.values() if isinstance(settings, Settings)]
    for settings in loaded.values():
        if isinstance(settings, SettingsError) and not several:
            raise settings
    set_up(context.obj, *several)
    warn_of_variables(*several)
    log_start(context)
    return [
        Job(file=file, profile=profile, settings=loaded[profile])
        for file, profile in zip(files, each, strict=True)
    ]


def _load(context: typer.Context, given: Mapping[str, object]) -> Settings | SettingsError:
    try:
        return settings_again(context, **given)
    except UnknownProfile:
        raise  # that is no trouble of a file
    except SettingsError as exc:
        return exc


async def _issue_all(context: typer.Context, jobs: Sequence[Job], run: "_Run") -> None:
    """Issue each file, with the engine that its settings name: files that name the same one share it."""
    engines: dict[tuple[object, ...], DaskEngine] = {}
    async with AsyncExitStack() as stack:
        for job in jobs:
            settings = job.settings
            if isinstance(settings, SettingsError):
                continue
            opening = opener_of_engine(context, settings)
            if opening is None:
                continue
            certificates = (settings.engine_ca_file, settings.engine_cert_file, settings.engine_key_file)
            key = (settings.engine, *certificates)
            if key not in engines:
                engines[key] = await stack.enter_async_context(opening(run.stopping))
            job.engine = engines[key].within(Site(settings))
        await run.issue_all(jobs)


class _Run:
    """What the files of one call share: what the user decided, and the stop that reaches all."""

    def __init__(
        self, options: IssueOptions, wait: Wait, stopping: asyncio.Event, progress: SummedProgress
    ) -> None:
        self._options, self._wait = options, wait
        self.stopping, self._progress = stopping, progress
        self._clock = Clock()

    async def issue_all(self, jobs: Sequence[Job]) -> None:
        """Issue each file as soon as there is room for it, and leave metrics."""
        slots, began = asyncio.Semaphore(AT_ONCE), self._clock.uptime()
        try:
            async with asyncio.TaskGroup() as under_way:
                for job in jobs:
                    await slots.acquire()
                    task = under_way.create_task(self._issue(job), name=f"issue {job.shown}")
                    task.add_done_callback(lambda _: slots.release())
        finally:
            await self._leave_metrics(jobs, seconds=self._clock.uptime() - began)

    async def _issue(self, job: Job) -> None:
        """Issue one file; its trouble is not that of the others."""
        if self.stopping.is_set():
            job.fail("stopped before it was begun; issue it again", ExitCode.NOT_FINISHED)
            return
        try:
            await self._in_services(job)
        except BatchIssuerError as exc:
            job.fail(str(exc), exc.exit_code)
        except Exception as exc:  # the last line of defence
            log.debug("error in the program", exc_info=True)
            job.fail(said_of_program(exc), ExitCode.PROGRAM_ERROR)

    async def _in_services(self, job: Job) -> None:
        """Open services that no other file uses: a breaker that stops one of them stops no other."""
        settings = job.settings
        if isinstance(settings, SettingsError):
            raise settings
        async with stop_of_its_own(self.stopping) as stopping:
            with ExitStack() as stack:
                taken = input_file(job.file, max_bytes=settings.max_file_bytes)
                path = await asyncio.to_thread(stack.enter_context, taken)
                async with open_services(
                    settings,
                    clock=self._clock,
                    stopping=stopping,
                    progress=self._progress,
                    measurements=job.measurements,
                    engine=job.engine,
                ) as services:
                    job.summary = await told(services, lambda open_: self._issue_file(open_, path), file=path)
        job.exit_code = job.summary.exit_code

    async def _issue_file(self, services: Services, path: Path) -> Summary:
        """Issue a file; where another of the same content is just being named, it gets the next name.

        That one may be for another organisation; if it is not, the guard decides.
        """
        for _ in range(0 if self._options.again else _NAMED_ANEW):
            try:
                return await issue(services, path, self._options, self._wait)
            except BatchInUse:
                await services.clock.sleep(services.clock.random())
        return await issue(services, path, self._options, self._wait)

    async def _leave_metrics(self, jobs: Sequence[Job], *, seconds: float) -> None:
        """Leave one set of metrics in each file that settings name, with what their batches add up to."""
        known = [(job, job.settings) for job in jobs if isinstance(job.settings, Settings)]
        for path in {settings.metrics_file: None for _, settings in known}:
            if path is None:
                continue
            its_own = [(job, settings) for job, settings in known if settings.metrics_file == path]
            code = exit_code_of([job for job, _ in its_own])
            end = RunEnd(at=self._clock.now().timestamp(), code=int(code), seconds=seconds)
            measured = reduce(lambda sum_, job: job[0].measurements.after(sum_), its_own, Measurements())
            await leave_metrics_of(path, its_own[0][1], measured, {"issue": end})


def _print_as_json(jobs: Sequence[Job], code: ExitCode) -> None:
    print_json(
        {
            "batches": [job.summary.as_json() for job in jobs if job.summary is not None],
            "problems": [job.problem_json() for job in jobs if job.summary is None],
            "exit_code": int(code),
        }
    )


def _print(jobs: Sequence[Job]) -> None:
    width = max(len("file"), *(len(job.shown) for job in jobs))
    typer.echo(f"{'file':<{width}}  {'rows':>12}  {'exit':>4}  batch")
    for job in jobs:
        summary = job.summary
        rows, batch = ("-", "-") if summary is None else (f"{summary.batch.rows:,}", summary.batch.batch)
        profile = f", profile {job.profile}" if job.profile else ""
        typer.echo(f"{job.shown:<{width}}  {rows:>12}  {int(job.exit_code):>4}  {batch}{profile}")
        if summary is not None:
            lines = (counts_of(summary), summary.message, _next(summary))
            typer.echo("\n".join(f"{'':<{width}}  {line}" for line in lines if line))


def _next(summary: Summary) -> str:
    return f"Next: {summary.next_command}" if summary.next_command else ""
