"""`backup`: copies the ledger while others work with it."""

from pathlib import Path
from typing import Annotated

import typer

from batch_issuer.cli import options as o


def command(
    context: typer.Context,
    to: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Where to write it, default OUTPUT/backups/ledger-TIME.db."),
    ] = None,
    as_json: o.AsJson = False,
) -> None:
    """Copy the ledger to a checked file, while others work with it; never over a file that is there."""
    from batch_issuer.cli.rendering import print_json, size
    from batch_issuer.cli.running import run_until_stopped, settings_for
    from batch_issuer.clock import Clock
    from batch_issuer.housekeeping import back_up

    settings = settings_for(context)
    done = run_until_stopped(lambda stopping: back_up(settings, to=to, clock=Clock(), stopping=stopping))
    if as_json:
        print_json({"backup": str(done.path), "bytes": done.bytes})
        return
    typer.echo(f"Wrote {done.path} ({size(done.bytes)}), and checked it.")
