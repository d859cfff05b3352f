"""How pages say what the program has short words for."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from batch_issuer.accounts import Role
from batch_issuer.errors import BatchIssuerError

ROLE_WORDS: Final = {
    Role.VIEWER: "sees batches, their rows and files, and changes nothing",
    Role.MAKER: "uploads, issues, resumes, retries and refreshes batches",
    Role.CHECKER: "approves or rejects what somebody else issued, and refreshes",
    Role.ADMIN: "looks after users, and reads the audit log",
}
_INSTEAD: Final = (
    (re.compile(r",? or add --map \".*\"$", re.DOTALL), ", or choose the header for it under Columns"),
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
    (
        re.compile(r"use one of the owner types in the template's README"),
        "use one of the owner types that the cell offers",
    ),
    (re.compile(r"--encoding"), "the encoding"),
    (re.compile(r"--delimiter"), "the separator"),
)
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def roles_in(values: Iterable[object]) -> frozenset[Role]:
    """Return the roles that a form names; what is no role is left out."""
    known = {role.value for role in Role}
    return frozenset(Role(value) for value in values if isinstance(value, str) and value in known)


def sentence(error: BatchIssuerError) -> str:
    """Return what an error says as a sentence."""
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One fact of an entry of the audit log, in words."""

    name: str
    value: str
    is_time: bool


def say_detail(detail: Mapping[str, object]) -> list[Said]:
    """Say what an entry of the audit log tells more."""
    facts = ((name.replace("_", " "), _said(value)) for name, value in detail.items())
    return [Said(name=name, value=said, is_time=bool(_TIME.fullmatch(said))) for name, said in facts]


def _said(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case str() | int() | float():
            return str(value)
        case list() | tuple() if all(isinstance(one, str | int) for one in value):
            return listed([str(one) for one in value]) or "none"
        case _:
            return json.dumps(value, default=str)


def listed(words: Sequence[str]) -> str:
    """Write words one after the other, as a sentence has them."""
    *others, last = words or [""]
    return f"{', '.join(others)} and {last}" if others else last


def for_browsers(text: str) -> str:
    """Say a message of ours without the options of commands that it names."""
    for pattern, instead in _INSTEAD:
        text = pattern.sub(instead, text)
    return text
