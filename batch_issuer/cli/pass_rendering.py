"""What a pass over a folder did, on standard output: a short table, or JSON."""

import json

import typer

from batch_issuer.cli.rendering import counts_of, print_json
from batch_issuer.inbox import PassResult


def print_line(result: PassResult) -> None:
    """Print a pass as one line of JSON: there will be more of them."""
    typer.echo(json.dumps(result.as_json()))


def print_pass(result: PassResult, *, as_json: bool) -> None:
    """Print what a pass did."""
    if as_json:
        print_json(result.as_json())
        return
    _print_files(result)
    for summary in result.refreshed:
        typer.echo(f"Asked again for {summary.batch.batch}: {counts_of(summary)}")
    if result.waiting:
        typer.echo(f"Not complete yet: {', '.join(result.waiting)}")
    if result.message:
        typer.echo(f"No more files were taken: {result.message}")
    if not (result.has_news or result.waiting):
        typer.echo("No new file.")


def _print_files(result: PassResult) -> None:
    if not result.files:
        return
    width = max(len("file"), *(len(file.name) for file in result.files))
    typer.echo(f"{'file':<{width}}  {'went to':<9}{'rows':>12}  {'exit':>4}  batch")
    for file in result.files:
        went = "stays" if file.place is None else file.place.parent.name
        rows = "-" if file.summary is None else f"{file.summary.batch.rows:,}"
        typer.echo(
            f"{file.name:<{width}}  {went:<9}{rows:>12}  {int(file.exit_code):>4}  {file.batch or '-'}"
        )
        if file.summary is not None and not file.problem:
            typer.echo(f"{'':<{width}}  {counts_of(file.summary)}")
        if file.problem:
            typer.echo(f"{'':<{width}}  {file.problem}")
        if file.next_command:
            typer.echo(f"{'':<{width}}  Next: {file.next_command}")
