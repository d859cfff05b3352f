"""How a command runs: settings, logs, signals, and the event loop."""

import asyncio
import difflib
import gc
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import typer

from batch_issuer.assembly import Progress, Services, open_services
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.cli.options import GlobalOptions
from batch_issuer.cli.progress import TerminalProgress
from batch_issuer.cli.rendering import print_summary
from batch_issuer.clock import Clock
from batch_issuer.errors import BatchIssuerError, Interrupted
from batch_issuer.logs import set_up_logs
from batch_issuer.metrics import Measurements, RunEnd
from batch_issuer.notices import told
from batch_issuer.redaction import Redactor
from batch_issuer.reports import Summary
from batch_issuer.settings import PREFIX, Settings, beats_profile, load_settings, unknown_variables
from batch_issuer.site import Site

if TYPE_CHECKING:
    from batch_issuer.cluster.dask_engine import DaskEngine

log = logging.getLogger(__name__)

T = TypeVar("T")

OpenEngine = Callable[[asyncio.Event], AbstractAsyncContextManager["DaskEngine"]]
"""Opens an engine, and heeds a stop meanwhile."""


def settings_for(context: typer.Context, **options: object) -> Settings:
    """Load the settings for a command, and set the logs up. Raises SettingsError."""
    settings = settings_again(context, **options)
    warn_of_variables(settings)
    log_start(context)
    return settings


def log_start(context: typer.Context) -> None:
    """Log that a command has started."""
    log.info("command started", extra={"command": _command_of(context)})


def warn_of_variables(*several: Settings) -> None:
    """Warn of variables that are no settings, and of those that count in place of what a profile says."""
    for name in unknown_variables(os.environ):
        known = [PREFIX + field.upper() for field in Settings.model_fields]
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        typer.echo(f"batch-issuer: warning: {name} is no setting and is ignored{hint}", err=True)
    for settings in several:
        for name in beats_profile(settings, os.environ):
            typer.echo(
                f"batch-issuer: warning: {name} beats what profile {settings.profile} says, and counts for "
                "every profile; unset it, so that nothing of one goes to another",
                err=True,
            )


def _command_of(context: typer.Context) -> str:
    """Name the command, without what belongs to it: `users` for `users add`."""
    path = context.command_path.removeprefix(context.find_root().command_path).split()
    return path[0] if path else ""


def settings_again(context: typer.Context, **options: object) -> Settings:
    """Load the settings anew, for secrets change; warn of nothing. Raises SettingsError."""
    chosen: GlobalOptions = context.obj
    profile = {} if "profile" in options else {"profile": chosen.profile}
    given = {
        **profile,
        "ledger": chosen.ledger,
        "output": chosen.output,
        "metrics_file": chosen.metrics_file,
        **options,
    }
    settings = load_settings(config=chosen.config, options=given)
    set_up(chosen, settings)
    return settings


def set_up(chosen: GlobalOptions, *several: Settings) -> None:
    """Set the logs up, with the secrets of these settings kept out."""
    set_up_logs(
        log_format=chosen.log_format.value,
        verbosity=chosen.verbosity,
        redact=Redactor(secret for settings in several for secret in settings.secrets()),
    )


def progress_for(context: typer.Context) -> TerminalProgress:
    """Return progress bars, which show only on a terminal and not with -q."""
    return TerminalProgress(is_shown=is_watched(context))


def is_watched(context: typer.Context) -> bool:
    """Tell whether somebody looks who wants to see progress."""
    return bool(sys.stderr.isatty() and context.obj.verbosity >= 0)


def send(
    context: typer.Context,
    settings: Settings,
    work: Callable[[Services], Awaitable[Summary]],
    *,
    as_json: bool,
    file: Path | None = None,
    is_spread: bool = False,
) -> NoReturn:
    """Run a command that sends, with its progress; tell people, print what became of the batch.

    One that is spread has its heavy work done by the engine that the settings name. Ends with its code.
    """
    progress = progress_for(context)
    try:
        summary = run(
            settings,
            lambda services: told(services, work, file=file),
            progress=progress,
            command=context.info_name or "",
            open_engine=opener_of_engine(context, settings) if is_spread else None,
        )
    finally:
        progress.close()
    print_summary(summary, as_json=as_json)
    raise typer.Exit(summary.exit_code)


def run(
    settings: Settings,
    work: Callable[[Services], Awaitable[T]],
    *,
    progress: Progress | None = None,
    command: str = "",
    open_engine: OpenEngine | None = None,
) -> T:
    """Run a command's work with open services; the first SIGINT or SIGTERM drains, a second ends it.

    A command that says its name leaves metrics where the settings ask for them, however it ends.
    """
    return run_until_stopped(
        lambda stopping: run_once(
            settings, work, stopping, progress=progress, command=command, open_engine=open_engine
        )
    )


async def run_once(
    settings: Settings,
    work: Callable[[Services], Awaitable[T]],
    stopping: asyncio.Event,
    *,
    progress: Progress | None = None,
    command: str,
    open_engine: OpenEngine | None = None,
) -> T:
    """Do some work with open services, and leave metrics as `run` does."""
    measurements, clock = Measurements(), Clock()
    began, code = clock.uptime(), ExitCode.PROGRAM_ERROR
    try:
        async with (
            open_engine(stopping) if open_engine else nullcontext() as engine,
            open_services(
                settings,
                clock=clock,
                stopping=stopping,
                progress=progress,
                measurements=measurements,
                engine=engine,
            ) as services,
        ):
            result = await work(services)
        code = getattr(result, "exit_code", ExitCode.DONE)
    except BatchIssuerError as exc:
        code = exc.exit_code
        raise
    except asyncio.CancelledError:
        code = ExitCode.NOT_FINISHED
        raise
    finally:
        if command and settings.metrics_file is not None:
            end = RunEnd(at=clock.now().timestamp(), code=int(code), seconds=clock.uptime() - began)
            await leave_metrics_of(settings.metrics_file, settings, measurements, {command: end})
    return result


def opener_of_engine(context: typer.Context, settings: Settings) -> OpenEngine | None:
    """Return what opens the engine that the settings name; None where this process does all."""
    if settings.engine is None:
        return None
    from batch_issuer.cluster import open_engine

    chosen: GlobalOptions = context.obj
    return lambda stopping: open_engine(
        Site(settings),
        stopping=stopping,
        log_format=chosen.log_format.value,
        verbosity=chosen.verbosity,
    )


async def leave_metrics_of(
    path: Path, settings: Settings, measurements: Measurements, ends: Mapping[str, RunEnd]
) -> None:
    """Leave metrics, also where somebody is in a hurry."""
    from batch_issuer.metrics.run_file import leave_metrics

    with suppress(asyncio.CancelledError):  # a signal more: the command's own end is what is told
        await leave_metrics(path, settings, measurements, Clock(), ends)


def run_until_stopped(work: Callable[[asyncio.Event], Awaitable[T]]) -> T:
    """Run work that heeds a stop: the first SIGINT or SIGTERM asks for it, a second ends it at once."""
    gc.freeze()  # what is loaded by now stays: the collector need not look at it again and again
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(_run(work))


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return uvloop's event loop where it is installed, else Python's own."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _run(work: Callable[[asyncio.Event], Awaitable[T]]) -> T:
    stopping = asyncio.Event()
    task = asyncio.current_task()

    def on_signal() -> None:
        if stopping.is_set() and task is not None:
            task.cancel()
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    try:
        return await work(stopping)
    except asyncio.CancelledError:
        raise Interrupted("stopped at once; `batch-issuer resume` goes on") from None
