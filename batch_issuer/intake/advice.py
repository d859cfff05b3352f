"""What to do with a file that can't be read as it is, in the words of the programs that write such files."""

from typing import Final

SAVE_AS_CSV: Final = 'in Excel choose "Save As", then "CSV UTF-8 (Comma delimited)"'
SAVE_AS_XLSX: Final = 'open it in Excel and choose "Save As", then "Excel Workbook (.xlsx)"'
UNLOCK: Final = (
    "in Excel choose File > Info > Protect Workbook > Encrypt with Password, clear the password, and save"
)
