"""`template [csv|xlsx]`: a blank input file."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from batch_issuer.errors import UsageError


class Kind(StrEnum):
    """Kinds of template."""

    CSV = "csv"
    XLSX = "xlsx"


def command(
    kind: Annotated[Kind, typer.Argument(help="The kind of file.")] = Kind.CSV,
    to: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Where to write it, default badges.csv or badges.xlsx."),
    ] = None,
) -> None:
    """Write a blank input template; a file that is there already is never overwritten."""
    to = to or Path(f"badges.{kind.value}")
    try:
        with to.open("xb") as file:
            file.write(_content(kind))
    except FileExistsError as exc:
        raise UsageError(f"{to} is there already; choose another place with --to PATH") from exc
    except OSError as exc:
        raise UsageError(f"{to} can't be written ({exc.strerror})") from exc
    typer.echo(f"Wrote {to}. Fill it in, then: batch-issuer validate {to}")


def _content(kind: Kind) -> bytes:
    if kind is Kind.CSV:
        return template_file("blank.csv").read_bytes()
    from batch_issuer.intake.workbooks.template import template_workbook

    return template_workbook()


def template_file(name: str) -> Path:
    """Find a file that ships with the package, or in a checkout beside it."""
    package = Path(__file__).parent.parent
    places = (package / "templates" / name, package.parent / "input_templates" / name)
    return next(place for place in places if place.is_file())
