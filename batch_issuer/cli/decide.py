"""`decide BATCH approve|reject`: decides a batch's pending requests as its checker."""

from enum import StrEnum
from typing import Annotated

import typer

from batch_issuer.cli import options as o


class Verdict(StrEnum):
    """What a checker can say."""

    APPROVE = "approve"
    REJECT = "reject"


def command(
    context: typer.Context,
    batch: Annotated[str, typer.Argument(metavar="BATCH", help="The batch.")],
    verdict: Annotated[
        Verdict, typer.Argument(metavar="approve|reject", help="What becomes of every request that waits.")
    ],
    message: Annotated[str, typer.Option(help="Why; it is stored with each request.")],
    rate: o.Rate = None,
    as_json: o.AsJson = False,
) -> None:
    """Approve or reject a batch's pending requests, with the checker's own credentials."""
    from batch_issuer.cli.rendering import print_summary
    from batch_issuer.cli.running import run, settings_for
    from batch_issuer.pipeline import decide

    settings = settings_for(context, rate=rate)
    approve = verdict is Verdict.APPROVE
    summary = run(
        settings, lambda services: decide(services, batch, approve=approve, message=message), command="decide"
    )
    print_summary(summary, as_json=as_json)
    raise typer.Exit(summary.exit_code)
