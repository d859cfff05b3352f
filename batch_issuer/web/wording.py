"""What messages say in a browser where they would name an option of a command."""

import re
from typing import Final

_INSTEAD: Final = (
    (re.compile(r",? or add --map \"[^\"]*\""), ", or choose the header for it under Columns"),
    (re.compile(r"leave --delimiter out"), "let the separator be found out"),
    (re.compile(r"--sheet NAME reads another than the first"), "another one can be chosen under Columns"),
    (
        re.compile(r"--sheet is for Excel workbooks; "),
        "a sheet can be chosen of Excel workbooks alone; ",
    ),
    (
        re.compile(r"--encoding and --delimiter are for text files"),
        "an encoding and a separator can be chosen for text files alone",
    ),
    (re.compile(r", which --map sends to"), ", which was chosen for"),
    (re.compile(r"--max-invalid '([^']*)'"), r"the limit of invalid rows, '\1'"),
    (re.compile(r"--encoding"), "the encoding"),
    (re.compile(r"--delimiter"), "the separator"),
    (re.compile(r"Rename it,,? or choose"), "Rename it, or choose"),
)


def for_browsers(text: str) -> str:
    """Say a message of ours without options that a browser has not."""
    for pattern, instead in _INSTEAD:
        text = pattern.sub(instead, text)
    return text
