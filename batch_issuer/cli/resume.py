"""`resume [BATCH]`: goes on with a batch that did not finish."""

import typer

from batch_issuer.cli import options as o


def command(
    context: typer.Context,
    batch: o.OptionalBatch = None,
    concurrency: o.Concurrency = None,
    rate: o.Rate = None,
    engine: o.EngineOption = None,
    new_ledger: o.NewLedger = False,
    wait: o.WaitOption = 0,
    as_json: o.AsJson = False,
) -> None:
    """Send what is not sent yet; nothing that was acknowledged is sent again."""
    from batch_issuer.cli.running import send, settings_for
    from batch_issuer.pipeline import resume
    from batch_issuer.tracking import Wait

    settings = settings_for(context, concurrency=concurrency, rate=rate, engine=engine)
    send(
        context,
        settings,
        lambda services: resume(services, batch, Wait(seconds=wait), new_ledger=new_ledger),
        as_json=as_json,
        is_spread=True,
    )
