"""Names of uploads: an id that is ours, and the name of the file, which is only something to show."""

import re
import secrets
import unicodedata
from typing import Final

NAME_CHARS: Final = 200
NO_NAME: Final = "a file without a name"
_ID: Final = re.compile(r"[0-9a-f]{16}")


def make_upload_id() -> str:
    """Draw an id that nobody can guess."""
    return secrets.token_hex(8)


def is_upload_id(text: str) -> bool:
    """Tell whether a text may be an id: nothing else ever becomes part of a path."""
    return _ID.fullmatch(text) is not None


def clean_name(given: str) -> str:
    """Return a file's name without its folders, or what can't be seen, and not longer than fits a line."""
    base = re.split(r"[/\\]", given)[-1]
    seen = "".join(char for char in base if unicodedata.category(char)[0] != "C" or char == " ")
    return " ".join(seen.split())[:NAME_CHARS].strip() or NO_NAME
