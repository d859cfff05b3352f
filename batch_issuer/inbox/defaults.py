"""`batch.toml`: what holds for every file of a folder, unless an option says otherwise."""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from batch_issuer.errors import UsageError
from batch_issuer.intake import SheetOptions, parse_mapping
from batch_issuer.intake.dialect import check_names
from batch_issuer.planning import MaxInvalid

DEFAULTS: Final = "batch.toml"
SETTINGS: Final = ("badge_meta_id", "owner_type", "reference_id", "issue_event_date")
"""Those that are settings as well, and beat them."""
_TEXTS: Final = (*SETTINGS, "on_invalid", "max_invalid", "name", "encoding", "delimiter")
_KEYS: Final = (*_TEXTS, "map", "check_badges")
_ON_INVALID: Final = ("stop", "skip")


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderDefaults:
    """What `batch.toml` says; what it leaves out is missing here."""

    settings: Mapping[str, str] = field(default_factory=dict)
    issue: Mapping[str, Any] = field(default_factory=dict)
    """`on_invalid`, `max_invalid`, `name`, `encoding`, `delimiter`, `mapped`, `check_badges`."""


def read_defaults(folder: Path) -> FolderDefaults:
    """Read a folder's `batch.toml`, if it has one. Raises UsageError with every problem in one line."""
    path = folder / DEFAULTS
    try:
        values = tomllib.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        return FolderDefaults()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise UsageError(f"{path} can't be read ({reason}); nothing was taken from the folder") from exc
    problems = [problem for key, value in values.items() if (problem := _problem(key, value))]
    problems = problems or _problems_of_words(values)
    if problems:
        raise UsageError(f"{path}: {'; '.join(problems)}; nothing was taken from the folder")
    issue = {key: value for key, value in values.items() if key not in {*SETTINGS, "map"}}
    if "map" in values:
        issue["mapped"] = _mapped(values["map"])
    return FolderDefaults(settings={key: values[key] for key in SETTINGS if key in values}, issue=issue)


def _problem(key: str, value: object) -> str:
    """Say what is wrong with the kind of a value, or nothing."""
    if key not in _KEYS:
        near = difflib.get_close_matches(key.lower(), _KEYS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it may have {', '.join(_KEYS)}"
        return f"unknown key {key!r}; {hint}"
    if key == "max_invalid" and isinstance(value, int) and not isinstance(value, bool):
        return ""
    if key == "check_badges":
        return "" if isinstance(value, bool) else "check_badges must be true or false"
    if key == "map":
        is_table = isinstance(value, dict) and all(isinstance(column, str) for column in value.values())
        return "" if is_table else 'map must be a table, as map = { "Member No" = "customer_id" }'
    return "" if isinstance(value, str) else f"{key} must be text; put it in quotes"


def _problems_of_words(values: Mapping[str, Any]) -> list[str]:
    """Say which values are none of those that are known."""
    problems = []
    if values.get("on_invalid", "stop") not in _ON_INVALID:
        problems.append("on_invalid must be stop or skip")
    try:
        MaxInvalid.parse(str(values.get("max_invalid", "10%")))
        check_names(SheetOptions(encoding=values.get("encoding"), delimiter=values.get("delimiter")))
        _mapped(values.get("map", {}))
    except UsageError as exc:
        problems.append(str(exc).removeprefix("--"))
    return problems


def _mapped(table: Mapping[str, str]) -> dict[str, str]:
    return parse_mapping([f"{header}={column}" for header, column in table.items()])
