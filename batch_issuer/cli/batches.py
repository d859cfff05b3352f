"""`batches`: the history, or what waits for a checker."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from batch_issuer.cli import options as o

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batch_issuer.assembly import Services
    from batch_issuer.ledger import Batch
    from batch_issuer.ledger.waiting import Waiting


def command(
    context: typer.Context,
    pending_over: Annotated[
        float | None,
        typer.Option(min=0, metavar="HOURS", help="Only those whose approvals have waited for longer."),
    ] = None,
    as_json: o.AsJson = False,
) -> None:
    """List the batches of this ledger, the latest first; or those that wait, the oldest first."""
    from batch_issuer.cli.running import run, settings_for
    from batch_issuer.ledger.batches import list_batches
    from batch_issuer.ledger.waiting import waiting_batches

    async def find_waiting(services: "Services") -> "tuple[datetime, list[Waiting]]":
        now = services.clock.now()
        before = now - timedelta(hours=pending_over or 0)
        return now, await services.ledger.read(waiting_batches, before=before)

    settings = settings_for(context)
    if pending_over is not None:
        now, waiting = run(settings, find_waiting)
        _print_waiting(waiting, now, as_json=as_json)
        return
    known = run(settings, lambda services: services.ledger.read(list_batches))
    _print_batches(known, settings.profile, as_json=as_json)


def _print_batches(known: "Sequence[Batch]", profile: str | None, *, as_json: bool) -> None:
    from batch_issuer.batch.commands import for_profile
    from batch_issuer.cli.rendering import print_json

    if as_json:
        print_json(
            [
                {
                    "batch": batch.batch,
                    "name": batch.name,
                    "input": batch.input_name,
                    "profile": batch.profile,
                    "rows": batch.rows,
                    "stage": batch.stage.value,
                    "started_at": batch.started_at,
                    "finished_at": batch.finished_at,
                    "exit_code": batch.exit_code,
                    "pruned_at": batch.pruned_at,
                }
                for batch in known
            ]
        )
        return
    if not known:
        typer.echo(for_profile("No batch yet. Next: batch-issuer issue FILE", profile))
        return
    typer.echo(f"{'batch':<24}{'rows':>12}  {'stage':<10}{'exit':>5}  input")
    for batch in known:
        code = "-" if batch.exit_code is None else str(int(batch.exit_code))
        name = f" ({batch.name})" if batch.name else ""
        name += f", profile {batch.profile}" if batch.profile else ""
        stage = "pruned" if batch.pruned_at else batch.stage
        typer.echo(f"{batch.batch:<24}{batch.rows:>12,}  {stage:<10}{code:>5}  {batch.input_name}{name}")
    typer.echo(for_profile("\nNext: batch-issuer show BATCH", profile))


def _print_waiting(waiting: "Sequence[Waiting]", now: datetime, *, as_json: bool) -> None:
    from batch_issuer.cli.rendering import print_json
    from batch_issuer.clock import format_instant
    from batch_issuer.notices import age

    if as_json:
        print_json(
            [
                {
                    "batch": one.batch,
                    "name": one.name,
                    "input": one.input_name,
                    "requests": one.requests,
                    "rows": one.rows,
                    "pending_since": format_instant(one.since),
                    "pending_hours": round((now - one.since) / timedelta(hours=1), 1),
                    "seen_at": one.seen_at,
                }
                for one in waiting
            ]
        )
        return
    if not waiting:
        typer.echo("No approval has waited for so long, as far as the ledger knows.")
        return
    typer.echo(f"{'batch':<24}{'rows':>12}{'requests':>10}  {'waiting for':<18}input")
    for one in waiting:
        name = one.input_name + (f" ({one.name})" if one.name else "")
        typer.echo(f"{one.batch:<24}{one.rows:>12,}{one.requests:>10,}  {age(now - one.since):<18}{name}")
    typer.echo("\nNext: batch-issuer refresh BATCH, for what was decided meanwhile; checkers: decide BATCH")
