"""`resume [BATCH]`: goes on with a batch that did not finish."""

import typer

from batch_issuer.cli import options as o


def command(
    context: typer.Context,
    batch: o.OptionalBatch = None,
    concurrency: o.Concurrency = None,
    rate: o.Rate = None,
    wait: o.WaitOption = 0,
    as_json: o.AsJson = False,
) -> None:
    """Send what is not sent yet; nothing that was acknowledged is sent again."""
    from batch_issuer.cli.rendering import print_summary
    from batch_issuer.cli.running import progress_for, run, settings_for
    from batch_issuer.pipeline import resume
    from batch_issuer.tracking import Wait

    settings = settings_for(context, concurrency=concurrency, rate=rate)
    progress = progress_for(context)
    try:
        summary = run(
            settings, lambda services: resume(services, batch, Wait(seconds=wait)), progress=progress
        )
    finally:
        progress.close()
    print_summary(summary, as_json=as_json)
    raise typer.Exit(summary.exit_code)
