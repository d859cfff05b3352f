"""From a spreadsheet to checked rows and problems: yields checked rows in input order."""

from batch_issuer.intake.checking import CheckedRows, GroupCodes, GroupKey, RowCount, check_part, check_rows
from batch_issuer.intake.columns import COLUMNS, GROUP_COLUMNS, ColumnOptions, parse_mapping
from batch_issuer.intake.figures import Figures
from batch_issuer.intake.schema import InputRules
from batch_issuer.intake.sheets import Block, Limits, RawBlock, Sheet, SheetOptions
from batch_issuer.intake.source import InputOptions, Source, open_source
from batch_issuer.intake.spans import Span

__all__ = [
    "COLUMNS",
    "GROUP_COLUMNS",
    "Block",
    "CheckedRows",
    "ColumnOptions",
    "Figures",
    "GroupCodes",
    "GroupKey",
    "InputOptions",
    "InputRules",
    "Limits",
    "RawBlock",
    "RowCount",
    "Sheet",
    "SheetOptions",
    "Source",
    "Span",
    "check_part",
    "check_rows",
    "open_source",
    "parse_mapping",
]
