"""`inbox DIR`: for schedulers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from batch_issuer.cli import options as o
from batch_issuer.cli.options import OnInvalid

if TYPE_CHECKING:
    from batch_issuer.acceptance import IssueOptions
    from batch_issuer.inbox import Completeness, PassOptions, PassResult
    from batch_issuer.settings import Settings


def command(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that files are put into.")],
    min_age: Annotated[
        float,
        typer.Option(
            min=0, metavar="SECONDS", help="A file is complete when nobody wrote to it for so long."
        ),
    ] = 60,
    done_marker: Annotated[
        str,
        typer.Option(
            metavar="SUFFIX", help="Instead: when a file of its name with this behind is there, as .done."
        ),
    ] = "",
    refresh_open: Annotated[
        float,
        typer.Option(
            min=0, metavar="DAYS", help="Ask for open states of earlier batches for so many days; 0 = never."
        ),
    ] = 7,
    watch: Annotated[bool, typer.Option("--watch", help="Stay, and take files as they come.")] = False,
    every: Annotated[
        float,
        typer.Option(
            min=1, metavar="SECONDS", help="With --watch: look at least so often, for shares tell nothing."
        ),
    ] = 300,
    chunk_size: o.ChunkSize = None,
    concurrency: o.Concurrency = None,
    rate: o.Rate = None,
    on_invalid: Annotated[
        OnInvalid | None,
        typer.Option(
            help="One invalid row stops its whole file (default), or is skipped. [batch.toml: on_invalid]"
        ),
    ] = None,
    max_invalid: Annotated[
        str | None,
        typer.Option(
            help="With skip: send nothing of a file with more invalid rows (10%). [batch.toml: max_invalid]"
        ),
    ] = None,
    no_check_badges: o.NoCheckBadges = False,
    new_ledger: bool = typer.Option(
        False, "--new-ledger", help="Go on beside batches that were sent with another ledger."
    ),
    name: Annotated[
        str | None, typer.Option(help="A name for the batches, for people. [batch.toml: name]")
    ] = None,
    encoding: o.EncodingOption = None,
    delimiter: o.DelimiterOption = None,
    mapped: o.MapOption = None,
    badge_meta_id: o.BadgeOption = None,
    owner_type: o.OwnerOption = None,
    reference_id: o.ReferenceOption = None,
    issue_event_date: o.EventDateOption = None,
    as_json: o.AsJson = False,
) -> None:
    """Issue every new file of a folder once, and move it to DIR/done or DIR/refused, its reports beside it.

    \b
    One pass, for cron and the like:
      batch-issuer inbox /srv/badges
    As a service that takes files as they come:
      batch-issuer inbox /srv/badges --watch

    A pass first goes on with batches of the folder that did not finish, then takes the files that are
    complete, the oldest first, then asks for the states of earlier batches that still wait.

    Taken are .csv, .tsv, .txt, .xlsx and .parquet files that lie directly in DIR; hidden files, links,
    *.part, *.tmp and *.crdownload are not. Files are never changed, deleted or overwritten. One bad file does
    not keep the others from being taken; refused credentials, or a server that does not answer, do until the
    next pass.

    What holds for all files of DIR may stand in DIR/batch.toml (badge_meta_id, owner_type, reference_id,
    issue_event_date, on_invalid, max_invalid, name, map, delimiter, encoding, check_badges). An option
    beats it, and it beats the settings.

    Several machines may work on one folder where they share a ledger in PostgreSQL: each file is issued
    once.

    The exit code is the first of 1, 6, 5, 4, 0 over all files of the pass and all batches that it resumed or
    asked for again; a refused file counts as 4.
    """  # noqa: D301 - the mark keeps lines as they are
    from batch_issuer.inbox import Completeness, check_folder

    check_folder(folder)
    settings = {
        "chunk_size": chunk_size,
        "concurrency": concurrency,
        "rate": rate,
        "badge_meta_id": badge_meta_id,
        "owner_type": owner_type,
        "reference_id": reference_id,
        "issue_event_date": issue_event_date,
    }
    issue = {
        "on_invalid": None if on_invalid is None else on_invalid.value,
        "max_invalid": max_invalid,
        "check_badges": False if no_check_badges else None,
        "name": name,
        "encoding": encoding,
        "delimiter": delimiter,
        "mapped": _mapping(mapped),
    }
    chosen = Chosen(
        folder=folder,
        rule=Completeness(min_age=min_age, done_marker=done_marker),
        refresh_open_days=refresh_open,
        settings=_given(settings),
        issue=_given(issue),
        new_ledger=new_ledger,
    )
    if watch:
        _watch(context, chosen, every=every, as_json=as_json)
    else:
        _once(context, chosen, as_json=as_json)


def _mapping(mapped: list[str] | None) -> dict[str, str] | None:
    from batch_issuer.intake import parse_mapping

    return parse_mapping(mapped) if mapped else None


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What the command line says; what it leaves out is missing in the mappings."""

    folder: Path
    rule: "Completeness"
    refresh_open_days: float
    settings: Mapping[str, Any]
    issue: Mapping[str, Any]
    new_ledger: bool

    def load(
        self, settings_of: Callable[..., "Settings"], context: typer.Context
    ) -> "tuple[Settings, PassOptions]":
        """Read settings and `batch.toml` as they are now. Raises UsageError."""
        from batch_issuer.inbox import PassOptions, read_defaults

        defaults = read_defaults(self.folder)
        options = PassOptions(
            issue=_issue_options({**defaults.issue, **self.issue}, new_ledger=self.new_ledger),
            rule=self.rule,
            refresh_open_days=self.refresh_open_days,
        )
        return settings_of(context, **{**defaults.settings, **self.settings}), options


def _issue_options(facts: Mapping[str, Any], *, new_ledger: bool) -> "IssueOptions":
    from batch_issuer.acceptance import IssueOptions
    from batch_issuer.intake import SheetOptions
    from batch_issuer.planning import MaxInvalid
    from batch_issuer.processes import machine_user

    return IssueOptions(
        name=facts.get("name", ""),
        sheet=SheetOptions(encoding=facts.get("encoding"), delimiter=facts.get("delimiter")),
        mapped=facts.get("mapped", {}),
        on_invalid=facts.get("on_invalid", "stop"),
        max_invalid=MaxInvalid.parse(str(facts.get("max_invalid", "10%"))),
        check_badges=facts.get("check_badges", True),
        new_ledger=new_ledger,
        issued_by=machine_user(),
    )


def _once(context: typer.Context, chosen: Chosen, *, as_json: bool) -> None:
    from batch_issuer.cli.pass_rendering import print_pass
    from batch_issuer.cli.running import opener_of_engine, progress_for, run, settings_for
    from batch_issuer.inbox import work_folder_and_tell

    settings, options = chosen.load(settings_for, context)
    progress = progress_for(context)
    try:
        result = run(
            settings,
            lambda services: work_folder_and_tell(services, chosen.folder, options),
            progress=progress,
            command="inbox",
            open_engine=opener_of_engine(context, settings),
        )
    finally:
        progress.close()
    print_pass(result, as_json=as_json)
    raise typer.Exit(result.exit_code)


def _watch(context: typer.Context, chosen: Chosen, *, every: float, as_json: bool) -> None:
    """Stay until a stop is asked for. Settings and secrets are read anew before each pass."""
    import asyncio

    from batch_issuer.cli.pass_rendering import print_line, print_pass
    from batch_issuer.cli.running import (
        opener_of_engine,
        run_once,
        run_until_stopped,
        settings_again,
        settings_for,
    )
    from batch_issuer.clock import Clock
    from batch_issuer.inbox import tell_of_files, watch, work_folder_and_tell

    chosen.load(settings_for, context)  # what is wrong from the start ends it at once

    async def stay(stopping: asyncio.Event) -> None:
        came = asyncio.Event()

        async def one_pass() -> "PassResult":
            settings, options = chosen.load(settings_again, context)
            result = await run_once(
                settings,
                lambda services: work_folder_and_tell(services, chosen.folder, options),
                stopping,
                command="inbox",
                open_engine=opener_of_engine(context, settings),
            )
            if result.has_news:
                print_line(result) if as_json else print_pass(result, as_json=False)
            return result

        telling = asyncio.create_task(
            tell_of_files(chosen.folder, chosen.rule, came, stopping), name="tell of files"
        )
        try:
            await watch(one_pass, came=came, every=every, clock=Clock(), stopping=stopping)
        finally:
            stopping.set()
            await telling

    run_until_stopped(stay)
