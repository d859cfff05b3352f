"""`refresh [BATCH]`: asks the server for states that are not final."""

import typer

from batch_issuer.cli import options as o


def command(
    context: typer.Context,
    batch: o.OptionalBatch = None,
    rate: o.Rate = None,
    wait: o.WaitOption = 0,
    as_json: o.AsJson = False,
) -> None:
    """Ask the server for the states that are not final, and rewrite the reconciliation."""
    from batch_issuer.cli.rendering import print_summary
    from batch_issuer.cli.running import run, settings_for
    from batch_issuer.pipeline import refresh
    from batch_issuer.tracking import Wait

    settings = settings_for(context, rate=rate)
    summary = run(settings, lambda services: refresh(services, batch, Wait(seconds=wait)), command="refresh")
    print_summary(summary, as_json=as_json)
    raise typer.Exit(summary.exit_code)
