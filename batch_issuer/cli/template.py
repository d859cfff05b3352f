"""`template [csv]`: a blank input file."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from batch_issuer.errors import UsageError


class Kind(StrEnum):
    """Kinds of template."""

    CSV = "csv"


def command(
    kind: Annotated[Kind, typer.Argument(help="The kind of file.")] = Kind.CSV,
    to: Annotated[Path, typer.Option(metavar="PATH", help="Where to write it.")] = Path("badges.csv"),
) -> None:
    """Write a blank input template; a file that is there already is never overwritten."""
    try:
        with to.open("xb") as file:
            file.write(template_file(f"blank.{kind.value}").read_bytes())
    except FileExistsError as exc:
        raise UsageError(f"{to} is there already; choose another place with --to PATH") from exc
    except OSError as exc:
        raise UsageError(f"{to} can't be written ({exc.strerror})") from exc
    typer.echo(f"Wrote {to}. Fill it in, then: batch-issuer validate {to}")


def template_file(name: str) -> Path:
    """Find a file that ships with the package, or in a checkout beside it."""
    package = Path(__file__).parent.parent
    places = (package / "templates" / name, package.parent / "input_templates" / name)
    return next(place for place in places if place.is_file())
