"""`validate FILE`: reads and checks only."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from batch_issuer.cli import options as o

if TYPE_CHECKING:
    from batch_issuer.cli.dry_run import Problems
    from batch_issuer.dry_run import DryRun


def command(
    context: typer.Context,
    file: o.FileArgument,
    rejects: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Write the invalid rows to this CSV file.")
    ] = None,
    encoding: o.EncodingOption = None,
    delimiter: o.DelimiterOption = None,
    sheet: o.SheetOption = None,
    mapped: o.MapOption = None,
    badge_meta_id: o.BadgeOption = None,
    owner_type: o.OwnerOption = None,
    reference_id: o.ReferenceOption = None,
    issue_event_date: o.EventDateOption = None,
    as_json: o.AsJson = False,
) -> None:
    """Read and check a file; nothing is sent, and nothing recorded."""
    from batch_issuer.acceptance import IssueOptions
    from batch_issuer.batch.commands import for_profile
    from batch_issuer.cli.dry_run import dry_run, exit_code_of
    from batch_issuer.cli.rendering import print_json
    from batch_issuer.cli.running import settings_for
    from batch_issuer.cli.standard_input import shown_file
    from batch_issuer.intake import SheetOptions, parse_mapping

    settings = settings_for(
        context,
        badge_meta_id=badge_meta_id,
        owner_type=owner_type,
        reference_id=reference_id,
        issue_event_date=issue_event_date,
    )
    options = IssueOptions(
        sheet=SheetOptions(encoding=encoding, delimiter=delimiter, sheet=sheet),
        mapped=parse_mapping(mapped or []),
    )
    with dry_run(context, file, settings, options, rejects=rejects) as (result, problems):
        if as_json:
            print_json(_validation_json(result, problems))
        else:
            _print_validation(result, problems, rejects)
            step = "validate" if result.refusal else "plan"
            typer.echo(for_profile(f"\nNext: batch-issuer {step} {shown_file(file)}", settings.profile))
        raise typer.Exit(exit_code_of(result))


def _validation_json(result: "DryRun", problems: "Problems") -> dict[str, Any]:
    checked = result.checked
    return {
        "input": result.name,
        "form": result.form,
        "warnings": list(result.warnings),
        "rows": checked.total,
        "valid": _valid(result),
        "invalid": checked.invalid,
        "duplicates": len(result.plan.duplicates),
        "repairs": dict(checked.repairs),
        "rules": problems.tally.as_json(),
        "problems": problems.all(),
    }


def _print_validation(result: "DryRun", problems: "Problems", rejects: Path | None) -> None:
    from batch_issuer.cli.rendering import print_problems, print_reading, print_repairs, print_table

    checked = result.checked
    typer.echo(f"{result.name}: {checked.total:,} rows\n")
    print_table(
        [
            ("valid", _valid(result), "can be sent"),
            ("invalid", checked.invalid, "need a correction"),
            ("duplicate", len(result.plan.duplicates), "repeat an earlier row, and are not sent again"),
        ]
    )
    print_problems(problems.tally)
    print_reading(result.form, result.warnings)
    print_repairs(checked.repairs)
    if rejects is not None and checked.invalid:
        typer.echo(f"\nThe invalid rows: {rejects}")
    if result.refusal:
        typer.echo(f"\n{result.refusal}")


def _valid(result: "DryRun") -> int:
    return result.checked.total - result.checked.invalid - len(result.plan.duplicates)
