"""From a spreadsheet to checked frames and problems: yields checked frames in input order."""

from batch_issuer.intake.checking import CheckedFrame, InputOptions, Source, check_rows, open_source
from batch_issuer.intake.columns import COLUMNS, ColumnOptions, parse_mapping
from batch_issuer.intake.reader import Limits, RawBlock, read_blocks
from batch_issuer.intake.schema import InputRules

__all__ = [
    "COLUMNS",
    "CheckedFrame",
    "ColumnOptions",
    "InputOptions",
    "InputRules",
    "Limits",
    "RawBlock",
    "Source",
    "check_rows",
    "open_source",
    "parse_mapping",
    "read_blocks",
]
