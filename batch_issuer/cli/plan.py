"""`plan FILE`: what `issue` would send."""

from typing import TYPE_CHECKING, Any

import typer

from batch_issuer.cli import options as o
from batch_issuer.cli.options import OnInvalid

if TYPE_CHECKING:
    from batch_issuer.cli.dry_run import Problems
    from batch_issuer.dry_run import DryRun
    from batch_issuer.settings import Settings


def command(
    context: typer.Context,
    file: o.FileArgument,
    chunk_size: o.ChunkSize = None,
    rate: o.Rate = None,
    on_invalid: o.OnInvalidOption = OnInvalid.STOP,
    max_invalid: o.MaxInvalidOption = "10%",
    no_check_badges: o.NoCheckBadges = False,
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
    """Check a file and show what `issue` would send; nothing is sent, and nothing recorded."""
    import asyncio

    from batch_issuer.acceptance import IssueOptions
    from batch_issuer.cli.dry_run import dry_run, exit_code_of
    from batch_issuer.cli.rendering import print_json
    from batch_issuer.cli.running import settings_for
    from batch_issuer.dry_run import leave_to_other_batches
    from batch_issuer.intake import SheetOptions, parse_mapping
    from batch_issuer.planning import MaxInvalid

    settings = settings_for(
        context,
        chunk_size=chunk_size,
        rate=rate,
        badge_meta_id=badge_meta_id,
        owner_type=owner_type,
        reference_id=reference_id,
        issue_event_date=issue_event_date,
    )
    options = IssueOptions(
        sheet=SheetOptions(encoding=encoding, delimiter=delimiter, sheet=sheet),
        mapped=parse_mapping(mapped or []),
        on_invalid=on_invalid.value,
        max_invalid=MaxInvalid.parse(max_invalid),
    )
    with dry_run(context, file, settings, options, checks_badges=not no_check_badges) as (tried, problems):
        result = asyncio.run(leave_to_other_batches(tried, settings))
        if as_json:
            print_json(
                {"input": result.name, **_plan_json(result, settings), "rules": problems.tally.as_json()}
            )
        else:
            _print_plan(result, settings)
            _print_findings(result, problems, file, settings.profile)
        raise typer.Exit(exit_code_of(result))


def _plan_json(result: "DryRun", settings: "Settings") -> dict[str, Any]:
    from dataclasses import asdict

    from batch_issuer.planning import estimate_seconds

    plan, checked = result.plan, result.checked
    groups = zip(plan.groups, plan.group_sizes, strict=True)
    return {
        "rows": checked.total,
        "invalid": checked.invalid,
        "duplicates": len(plan.duplicates),
        "already_issued": len(plan.held),
        "customers": plan.customers,
        "requests": plan.request_count,
        "chunk_size": plan.chunk_size,
        "seconds": round(estimate_seconds(plan.request_count, rate=settings.rate), 1),
        "would_send": not result.refusal,
        "reason": result.refusal,
        "repairs": dict(checked.repairs),
        "form": result.form,
        "warnings": list(result.warnings),
        "badges": dict(result.badges),
        "groups": [{**asdict(group), "customers": size} for group, size in groups],
    }


def _print_findings(result: "DryRun", problems: "Problems", file: str, profile: str | None) -> None:
    from batch_issuer.batch.commands import for_profile
    from batch_issuer.batch.problems import Rule
    from batch_issuer.cli.rendering import print_problems, print_reading, print_repairs
    from batch_issuer.cli.standard_input import shown_file

    print_problems(problems.tally)
    print_reading(result.form, result.warnings)
    print_repairs(result.checked.repairs)
    if result.refusal:
        typer.echo(f"\n`issue` would send nothing. {result.refusal}")
    # `validate` asks no server: it would find nothing wrong with a bad badge
    again = "plan" if Rule.BADGE in problems.tally.counts else "validate"
    step = again if result.refusal else "issue"
    typer.echo(for_profile(f"\nNext: batch-issuer {step} {shown_file(file)}", profile))


def _print_plan(result: "DryRun", settings: "Settings") -> None:
    from batch_issuer.cli.rendering import duration, print_table
    from batch_issuer.planning import estimate_seconds

    plan, checked = result.plan, result.checked
    typer.echo(f"{result.name}: {checked.total:,} rows\n")
    time = duration(estimate_seconds(plan.request_count, rate=settings.rate))
    pace = f"at {settings.rate:g} API calls a minute" if settings.rate else "with no rate limit"
    print_table(
        [
            ("customers", plan.customers, "to send"),
            ("groups", len(plan.group_sizes), "of one badge, owner, reference and date"),
            ("requests", plan.request_count, f"of at most {plan.chunk_size:,} customers; {time} {pace}"),
            ("invalid", checked.invalid, "rows that need a correction"),
            ("duplicate", len(plan.duplicates), "rows that repeat an earlier one"),
            ("already_issued", len(plan.held), "rows issued or under way in another batch"),
        ]
    )
    _print_groups(result)


def _print_groups(result: "DryRun") -> None:
    plan = result.plan
    shown = list(zip(plan.groups, plan.group_sizes, strict=True))[:20]
    if shown:
        typer.echo(f"\n  {'badge':<26}{'customers':>10}   owner, reference, event date")
    for group, size in shown:
        extras = ", ".join(filter(None, (group.owner_type, group.reference_id, group.issue_event_date)))
        name = result.badges.get(group.badge_meta_id, "")
        typer.echo(f"  {group.badge_meta_id:<26}{size:>10,}   {extras or '-'}{f'   {name}' if name else ''}")
    if len(plan.group_sizes) > len(shown):
        typer.echo(f"  and {len(plan.group_sizes) - len(shown):,} groups more (--json lists all)")
