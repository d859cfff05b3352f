"""`retry BATCH`: sends what the server definitely refused again, under new request ids."""

from typing import Annotated

import typer

from batch_issuer.cli import options as o


def command(
    context: typer.Context,
    batch: Annotated[str, typer.Argument(metavar="BATCH", help="The batch.")],
    concurrency: o.Concurrency = None,
    rate: o.Rate = None,
    engine: o.EngineOption = None,
    new_ledger: o.NewLedger = False,
    wait: o.WaitOption = 0,
    as_json: o.AsJson = False,
) -> None:
    """Send the requests that the server definitely refused or failed again, under new request ids."""
    from batch_issuer.cli.running import send, settings_for
    from batch_issuer.pipeline import retry
    from batch_issuer.tracking import Wait

    settings = settings_for(context, concurrency=concurrency, rate=rate, engine=engine)
    send(
        context,
        settings,
        lambda services: retry(services, batch, Wait(seconds=wait), new_ledger=new_ledger),
        as_json=as_json,
        is_spread=True,
    )
