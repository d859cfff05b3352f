"""`show BATCH`: one batch's figures."""

import typer

from batch_issuer.cli import options as o


def command(context: typer.Context, batch: o.OptionalBatch = None, as_json: o.AsJson = False) -> None:
    """Show what became of a batch, as the ledger knows it; asks no server and writes no file."""
    from batch_issuer.cli.rendering import print_summary
    from batch_issuer.cli.running import run, settings_for
    from batch_issuer.pipeline import show

    summary = run(settings_for(context), lambda services: show(services, batch))
    print_summary(summary, as_json=as_json)
