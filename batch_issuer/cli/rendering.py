"""Answers on standard output: short tables for people, JSON for programs."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import typer

from batch_issuer.batch.outcomes import Outcome
from batch_issuer.reports import OUTCOME_WORDS, ProblemTally, Summary

_SHOWN_BADGES = 20
_FILES = {
    "reconciliation.csv": "what became of each row",
    "requests.csv": "the requests",
    "rejects.csv": "invalid rows, to correct",
    "failed.csv": "rows that were not issued, and why",
    "report.html": "the same to look at, in a browser",
    "summary.json": "the figures, for programs",
}


def print_json(value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Print one JSON document."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def print_summary(summary: Summary, *, as_json: bool) -> None:
    """Print what became of a batch."""
    if as_json:
        print_json(summary.as_json())
        return
    batch = summary.batch
    name = f"{batch.name}: " if batch.name else ""
    profile = f", profile {batch.profile}" if batch.profile else ""
    typer.echo(f"Batch {batch.batch}  {name}{batch.input_name}{profile}")
    if summary.message:
        typer.echo(f"\n{summary.message}")
    typer.echo("")
    print_table(_outcome_rows(summary.counts))
    balance = "each has its line" if summary.is_balanced else "THE ROWS DO NOT ADD UP: please report this"
    typer.echo(f"  {'rows in all':<14}{batch.rows:>12,}   {balance}")
    print_badges(batch.badges)
    print_problems(summary.problems)
    print_reading(batch.form, batch.warnings)
    print_repairs(batch.repairs)
    if not batch.pruned_at:
        print_files(summary.folder)
    if summary.next_command:
        corrected = "after correcting the invalid rows, " if " issue " in summary.next_command else ""
        typer.echo(f"\nNext: {corrected}{summary.next_command}")


def print_files(folder: Path) -> None:
    """Print which files a batch has, and what each is."""
    typer.echo(f"\nFiles in {folder}/")
    files = ((name, what) for name, what in _FILES.items() if (folder / name).exists())
    for name, what in files:
        typer.echo(f"  {name:<20} {what}")


def print_badges(badges: Mapping[str, str]) -> None:
    """Print the names of the badges, as far as the server told them."""
    if not badges:
        return
    typer.echo("\nBadges")
    for badge, name in islice(badges.items(), _SHOWN_BADGES):
        typer.echo(f"  {badge:<26}{name}")
    if len(badges) > _SHOWN_BADGES:
        typer.echo(f"  and {len(badges) - _SHOWN_BADGES:,} more (summary.json has all)")


def print_problems(problems: ProblemTally) -> None:
    """Print the rules that were broken, how often, and the first example of each."""
    if not problems.counts:
        return
    typer.echo("\nProblems of the input")
    for rule, count in problems.counts.most_common():
        first = problems.examples[rule][0]
        typer.echo(f"  {count:>6,} x {rule.value}")
        typer.echo(f"           row {first.row}: {first.message}")


def print_reading(form: str, warnings: Sequence[str]) -> None:
    """Print how a file was read, and what the user should know of it."""
    if form:
        typer.echo(f"\nRead as {form}")
    for warning in warnings:
        typer.echo(f"Note: {warning}")


def print_repairs(repairs: Mapping[str, int]) -> None:
    """Print which cells were understood although they were not clean."""
    if repairs:
        told = ", ".join(f"{repair} ({count:,})" for repair, count in repairs.items())
        typer.echo(f"\nRepaired, no correction needed: {told}")


def print_table(rows: Iterable[tuple[str, int, str]]) -> None:
    """Print a word, a figure and a remark on each line."""
    for word, figure, remark in rows:
        typer.echo(f"  {word:<14}{figure:>12,}   {remark}")


def _outcome_rows(counts: Mapping[Outcome, int]) -> Iterable[tuple[str, int, str]]:
    for outcome, words in OUTCOME_WORDS.items():
        if counts.get(outcome):
            yield outcome.value, counts[outcome], words


def counts_of(summary: Summary) -> str:
    """Write how many rows have which outcome on one line."""
    return ", ".join(f"{outcome.value} {count:,}" for outcome, count in summary.counts.items() if count)


def size(count: int) -> str:
    """Write a number of bytes the way people say it."""
    units = ("B", "kB", "MB", "GB", "TB")
    value, place = float(count), 0
    while value >= 1000 and place < len(units) - 1:  # noqa: PLR2004 - what k, M and G mean
        value, place = value / 1000, place + 1
    return f"{value:.1f} {units[place]}" if place else f"{count} B"


def duration(seconds: float) -> str:
    """Write a duration the way people say it."""
    if seconds < 1:
        return "under a second"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest if not hours else 0, "s"))
    return " ".join(f"{value} {unit}" for value, unit in parts if value) or "0 s"
