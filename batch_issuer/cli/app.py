"""The command tree, the global options, and the one place where errors become lines and exit codes."""

import logging
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from batch_issuer import __version__
from batch_issuer.batch.commands import for_profile
from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.cli import (
    backup,
    batches,
    decide,
    demo,
    doctor,
    export,
    inbox,
    issue,
    plan,
    prune,
    refresh,
    resume,
    retry,
    sandbox,
    serve,
    show,
    template,
    users,
    validate,
)
from batch_issuer.cli.options import GlobalOptions, LogFormat, refuse_password
from batch_issuer.errors import BatchIssuerError, said_of_program

log = logging.getLogger(__name__)

app = typer.Typer(
    name="batch-issuer",
    help="Issue badges to a spreadsheet of customers, and account for every row.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (
    *(validate, plan, issue, inbox, resume, retry, refresh, decide),
    *(batches, show, serve, template, sandbox, demo, doctor),
    *(prune, export, backup),
):
    app.command(module.__name__.rpartition(".")[2])(module.command)
app.add_typer(users.app, name="users")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"batch_issuer {__version__}")
        raise typer.Exit


@app.callback()
def global_options(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="Settings in TOML; default batch_issuer.toml where it stands.")
    ] = None,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="The profile of that file to use; with several files one for all, or one for each."
            " [env: BATCH_ISSUER_PROFILE]",
        ),
    ] = None,
    ledger: Annotated[
        str | None, typer.Option(help="Where the ledger is: sqlite:///PATH. [env: BATCH_ISSUER_LEDGER]")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for the batches' files. [env: BATCH_ISSUER_OUTPUT]")
    ] = None,
    metrics_file: Annotated[
        Path | None,
        typer.Option(help="Leave metrics for Prometheus there. [env: BATCH_ISSUER_METRICS_FILE]"),
    ] = None,
    log_format: Annotated[LogFormat, typer.Option(help="How log lines are written.")] = LogFormat.TEXT,
    verbose: Annotated[int, typer.Option("-v", "--verbose", count=True, help="Log more; -vv logs all.")] = 0,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress, and errors only.")] = False,
    version: Annotated[  # noqa: ARG001 - its callback acts
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Issue badges to a spreadsheet of customers, and account for every row."""
    refuse_password(ledger)
    verbosity = -1 if quiet else verbose
    command = context.invoked_subcommand or ""
    chosen = GlobalOptions(
        config=config,
        profiles=tuple(profile or ()),
        ledger=ledger,
        output=output,
        metrics_file=metrics_file,
        log_format=log_format,
        verbosity=verbosity,
    )
    one = None if command == "issue" and profile and profile[1:] else chosen.profile
    if isinstance(context.obj, _Invocation):
        context.obj.command, context.obj.profile = command, one
    context.obj = chosen


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command, and end with its exit code; what the user did wrong is one line, never a trace.

    Takes the process's own arguments by default; always raises SystemExit.
    """
    invocation, began = _Invocation(), time.monotonic()
    try:
        _run(arguments, invocation)
    except SystemExit as exc:
        seconds = time.monotonic() - began
        log.info("command ended", extra={"command": invocation.command, "code": exc.code, "seconds": seconds})
        raise


@dataclass(slots=True)
class _Invocation:
    """What was asked for, once that is known."""

    command: str = ""
    profile: str | None = None
    """The one that was chosen; messages name it in the commands that they tell."""


def _run(arguments: Sequence[str] | None, invocation: _Invocation) -> None:
    try:
        app(arguments, obj=invocation)
    except BatchIssuerError as exc:
        _complain(for_profile(str(exc), invocation.profile), exc.exit_code)
    except KeyboardInterrupt:
        message = "stopped at once; `batch-issuer resume` goes on"
        _complain(for_profile(message, invocation.profile), ExitCode.NOT_FINISHED)
    except BrokenPipeError:  # the reader of our output has gone, for example `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.DONE)
    except Exception as exc:  # the last line of defence
        log.debug("error in the program", exc_info=True)
        _complain(said_of_program(exc), ExitCode.PROGRAM_ERROR)


def _complain(message: str, code: ExitCode) -> None:
    typer.echo(f"batch-issuer: {message}", err=True)
    sys.exit(int(code))
