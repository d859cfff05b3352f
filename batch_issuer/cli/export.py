"""`export BATCH`: everything about one batch as a zip, for support."""

from pathlib import Path
from typing import Annotated

import typer

from batch_issuer.cli import options as o


def command(
    context: typer.Context,
    batch: Annotated[str, typer.Argument(metavar="BATCH", help="The batch.")],
    to: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Where to write it, default BATCH.zip here.")
    ] = None,
    with_input: Annotated[
        bool, typer.Option("--with-input", help="Add the copy of the input, as it is.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    as_json: o.AsJson = False,
) -> None:
    """Write everything about a batch into a zip: its files and its part of the ledger, without secrets."""
    from batch_issuer.cli.rendering import print_json, size
    from batch_issuer.cli.running import run, settings_for
    from batch_issuer.housekeeping import export

    done = run(
        settings_for(context),
        lambda services: export(services, batch, to=to, with_input=with_input, may_replace=force),
    )
    if as_json:
        print_json(
            {
                "batch": done.batch,
                "path": str(done.path),
                "bytes": done.bytes,
                "files": list(done.files),
            }
        )
        return
    typer.echo(f"Wrote {done.path} ({size(done.bytes)}); it holds customer ids. README.txt in it tells more.")
