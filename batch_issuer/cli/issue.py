"""`issue FILE...`: the main job."""

import typer

from batch_issuer.cli import options as o
from batch_issuer.cli.options import OnInvalid


def command(
    context: typer.Context,
    files: o.FilesArgument,
    chunk_size: o.ChunkSize = None,
    concurrency: o.Concurrency = None,
    rate: o.Rate = None,
    engine: o.EngineOption = None,
    on_invalid: o.OnInvalidOption = OnInvalid.STOP,
    max_invalid: o.MaxInvalidOption = "10%",
    no_check_badges: o.NoCheckBadges = False,
    again: bool = typer.Option(False, "--again", help="Issue what was issued before."),
    new_ledger: bool = typer.Option(
        False, "--new-ledger", help="Go on beside batches that were sent with another ledger."
    ),
    name: str = typer.Option("", help="A name for the batch, for people."),
    encoding: o.EncodingOption = None,
    delimiter: o.DelimiterOption = None,
    sheet: o.SheetOption = None,
    mapped: o.MapOption = None,
    badge_meta_id: o.BadgeOption = None,
    owner_type: o.OwnerOption = None,
    reference_id: o.ReferenceOption = None,
    issue_event_date: o.EventDateOption = None,
    wait: o.WaitOption = 0,
    as_json: o.AsJson = False,
) -> None:
    """Validate, plan, record and submit files; write what became of every row.

    Several files are issued side by side, 8 at a time, each a batch of its own. What keeps one of them from
    being issued does not stop the others. With --profile before the command, given once for each file, they
    may be of several organisations. The exit code is the first of 1, 6, 5, 4, 0 over all of them; a refused
    file counts as 4.
    """
    from batch_issuer.acceptance import IssueOptions
    from batch_issuer.cli.running import send, settings_for
    from batch_issuer.cli.side_by_side import issue_side_by_side
    from batch_issuer.cli.standard_input import input_file
    from batch_issuer.intake import SheetOptions, parse_mapping
    from batch_issuer.pipeline import issue
    from batch_issuer.planning import MaxInvalid
    from batch_issuer.processes import machine_user
    from batch_issuer.tracking import Wait

    given = {
        "chunk_size": chunk_size,
        "concurrency": concurrency,
        "rate": rate,
        "engine": engine,
        "badge_meta_id": badge_meta_id,
        "owner_type": owner_type,
        "reference_id": reference_id,
        "issue_event_date": issue_event_date,
    }
    issue_options = IssueOptions(
        name=name,
        sheet=SheetOptions(encoding=encoding, delimiter=delimiter, sheet=sheet),
        mapped=parse_mapping(mapped or []),
        on_invalid=on_invalid.value,
        max_invalid=MaxInvalid.parse(max_invalid),
        again=again,
        check_badges=not no_check_badges,
        new_ledger=new_ledger,
        issued_by=machine_user(),
    )
    if len(files) > 1:
        issue_side_by_side(context, files, given, issue_options, Wait(seconds=wait), as_json=as_json)
    settings = settings_for(context, **given)
    with input_file(files[0], max_bytes=settings.max_file_bytes) as path:
        send(
            context,
            settings,
            lambda services: issue(services, path, issue_options, Wait(seconds=wait)),
            as_json=as_json,
            file=path,
            is_spread=True,
        )
