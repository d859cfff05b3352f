"""From a spreadsheet to checked frames and problems: yields checked frames in input order."""

from batch_issuer.intake.checking import CheckedFrame, InputOptions, Source, check_rows, open_source
from batch_issuer.intake.columns import COLUMNS, ColumnOptions, parse_mapping
from batch_issuer.intake.schema import InputRules
from batch_issuer.intake.sheets import Limits, RawBlock, Sheet, SheetOptions

__all__ = [
    "COLUMNS",
    "CheckedFrame",
    "ColumnOptions",
    "InputOptions",
    "InputRules",
    "Limits",
    "RawBlock",
    "Sheet",
    "SheetOptions",
    "Source",
    "check_rows",
    "open_source",
    "parse_mapping",
]
