"""`prune`: removes the files and details of batches that are over."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from batch_issuer.cli import options as o

if TYPE_CHECKING:
    from batch_issuer.housekeeping import Candidate, Pruning


def command(
    context: typer.Context,
    older_than: Annotated[
        str | None,
        typer.Option(metavar="SPAN", help="Like 90d, 12w or 36h. [env: BATCH_ISSUER_RETENTION]"),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this only say what would go.")] = False,
    as_json: o.AsJson = False,
) -> None:
    """Remove files and details of batches that are over; what was issued stays guarded."""
    from batch_issuer.cli.rendering import print_json
    from batch_issuer.cli.running import run, settings_for
    from batch_issuer.clock import parse_span
    from batch_issuer.errors import UsageError
    from batch_issuer.housekeeping import find_prunable, prune

    settings = settings_for(context, retention=older_than)
    if settings.retention is None:
        raise UsageError("say how old a batch must be: --older-than 90d, or the setting RETENTION")
    span = parse_span(settings.retention)

    async def work(services: Any) -> "Pruning":  # noqa: ANN401 - Services, which would load the world here
        found = await find_prunable(services, older_than=span)
        return await prune(services, found) if yes else found

    pruning = run(settings, work)
    if as_json:
        print_json(_as_json(pruning, is_done=yes))
    else:
        _print(pruning, is_done=yes)
    raise typer.Exit(pruning.exit_code)


def _as_json(pruning: "Pruning", *, is_done: bool) -> dict[str, Any]:
    return {
        "done": is_done,
        "given_back": pruning.given_back,
        "batches": [
            {
                "batch": candidate.batch.batch,
                "name": candidate.batch.name,
                "input": candidate.batch.input_name,
                "rows": candidate.batch.rows,
                "days": candidate.age.days,
                "bytes": candidate.bytes,
                "result": candidate.fate.value,
                "remark": candidate.remark,
            }
            for candidate in pruning.candidates
        ],
    }


def _print(pruning: "Pruning", *, is_done: bool) -> None:
    from batch_issuer.cli.rendering import size

    if not pruning.candidates:
        typer.echo("Nothing to prune.")
        return
    typer.echo(f"{'batch':<24}{'age':>8}{'rows':>12}{'files':>10}  input")
    for candidate in pruning.candidates:
        _print_one(candidate)
    total = size(sum(candidate.bytes for candidate in pruning.candidates))
    if not is_done:
        count = len(pruning.candidates)
        batches = "1 batch" if count == 1 else f"{count:,} batches"
        typer.echo(f"\n{batches}, {total}. Nothing was removed; --yes does it.")
        return
    if pruning.given_back:
        typer.echo(f"\nThe ledger's file is {size(pruning.given_back)} smaller.")


def _print_one(candidate: "Candidate") -> None:
    from batch_issuer.cli.rendering import size

    batch = candidate.batch
    name = f" ({batch.name})" if batch.name else ""
    remark = f"; {candidate.remark}" if candidate.remark else ""
    result = {"to_prune": "", "pruned": "  pruned", "left": "  left"}[candidate.fate]
    typer.echo(
        f"{batch.batch:<24}{candidate.age.days:>6} d{batch.rows:>12,}{size(candidate.bytes):>10}  "
        f"{batch.input_name}{name}{result}{remark}"
    )
