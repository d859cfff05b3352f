"""How a command runs: settings, logs, signals, and the event loop."""

import asyncio
import difflib
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar

import typer

from batch_issuer.assembly import Progress, Services, open_services
from batch_issuer.cli.options import GlobalOptions
from batch_issuer.cli.progress import TerminalProgress
from batch_issuer.cli.rendering import print_summary
from batch_issuer.clock import Clock
from batch_issuer.errors import Interrupted
from batch_issuer.logs import set_up_logs
from batch_issuer.redaction import Redactor
from batch_issuer.reports import Summary
from batch_issuer.settings import PREFIX, Settings, load_settings, unknown_variables

T = TypeVar("T")


def settings_for(context: typer.Context, **options: object) -> Settings:
    """Load the settings for a command, and set the logs up. Raises SettingsError."""
    chosen: GlobalOptions = context.obj
    given = {"ledger": chosen.ledger, "output": chosen.output, **options}
    settings = load_settings(config=chosen.config, options=given)
    set_up(chosen, settings)
    for name in unknown_variables(os.environ):
        known = [PREFIX + field.upper() for field in Settings.model_fields]
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        typer.echo(f"batch-issuer: warning: {name} is no setting and is ignored{hint}", err=True)
    return settings


def set_up(chosen: GlobalOptions, settings: Settings) -> None:
    """Set the logs up, with these settings' secrets kept out."""
    set_up_logs(
        log_format=chosen.log_format.value,
        verbosity=chosen.verbosity,
        redact=Redactor(settings.secrets()),
    )


def progress_for(context: typer.Context) -> TerminalProgress:
    """Return progress bars, which show only on a terminal and not with -q."""
    return TerminalProgress(is_shown=sys.stderr.isatty() and context.obj.verbosity >= 0)


def send(
    context: typer.Context,
    settings: Settings,
    work: Callable[[Services], Awaitable[Summary]],
    *,
    as_json: bool,
) -> NoReturn:
    """Run a command that sends, with its progress; print what became of the batch, and end with its code."""
    progress = progress_for(context)
    try:
        summary = run(settings, work, progress=progress)
    finally:
        progress.close()
    print_summary(summary, as_json=as_json)
    raise typer.Exit(summary.exit_code)


def run(
    settings: Settings, work: Callable[[Services], Awaitable[T]], *, progress: Progress | None = None
) -> T:
    """Run a command's work with open services; the first SIGINT or SIGTERM drains, a second ends it."""
    gc.freeze()  # what is loaded by now stays: the collector need not look at it again and again
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(_run(settings, work, progress))


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return uvloop's event loop where it is installed, else Python's own."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _run(settings: Settings, work: Callable[[Services], Awaitable[T]], progress: Progress | None) -> T:
    async def with_services(stopping: asyncio.Event) -> T:
        async with open_services(settings, clock=Clock(), stopping=stopping, progress=progress) as services:
            return await work(services)

    return await _until_stopped(with_services)


def run_alone(work: Callable[[asyncio.Event], Awaitable[T]]) -> T:
    """Run a command's work that needs no services, as `run` does; it is told when to stop."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(_until_stopped(work))


async def _until_stopped(work: Callable[[asyncio.Event], Awaitable[T]]) -> T:
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
