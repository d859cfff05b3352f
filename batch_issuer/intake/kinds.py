"""Tells kinds of spreadsheet files apart and opens each."""

from pathlib import Path

from batch_issuer.errors import UsageError
from batch_issuer.intake.dialect import detect_dialect
from batch_issuer.intake.sheets import Limits, Sheet, SheetOptions
from batch_issuer.intake.text_sheet import TextSheet


def open_sheet(path: Path, options: SheetOptions, limits: Limits, *, name: str) -> Sheet:
    """Look at a file's kind and how it is written; messages call it `name`.

    Raises InputRefused for a file that is no spreadsheet, and UsageError where it can't be read.
    """
    try:
        dialect = detect_dialect(path, options, name=name)
    except OSError as exc:
        raise UsageError(f"the input file {path} can't be read ({exc.strerror})") from exc
    return TextSheet(path=path, name=name, dialect=dialect, limits=limits)
