"""`batches`: the history."""

import typer

from batch_issuer.cli import options as o


def command(context: typer.Context, as_json: o.AsJson = False) -> None:
    """List the batches of this ledger, the latest first."""
    from batch_issuer.cli.rendering import print_json
    from batch_issuer.cli.running import run, settings_for
    from batch_issuer.ledger.batches import list_batches

    known = run(settings_for(context), lambda services: services.ledger.read(list_batches))
    if as_json:
        print_json(
            [
                {
                    "batch": batch.batch,
                    "name": batch.name,
                    "input": batch.input_name,
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
        typer.echo("No batch yet. Next: batch-issuer issue FILE")
        return
    typer.echo(f"{'batch':<24}{'rows':>12}  {'stage':<10}{'exit':>5}  input")
    for batch in known:
        code = "-" if batch.exit_code is None else str(int(batch.exit_code))
        name = f" ({batch.name})" if batch.name else ""
        stage = "pruned" if batch.pruned_at else batch.stage
        typer.echo(f"{batch.batch:<24}{batch.rows:>12,}  {stage:<10}{code:>5}  {batch.input_name}{name}")
    typer.echo("\nNext: batch-issuer show BATCH")
