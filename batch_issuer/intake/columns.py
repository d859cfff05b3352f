"""Matches a file's header to the columns we know, whatever its case, spaces and hyphens."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from batch_issuer.errors import InputRefused, UsageError
from batch_issuer.intake.dialect import guess_other_delimiter

COLUMNS: Final[tuple[str, ...]] = (
    "customer_id",
    "badge_meta_id",
    "owner_type",
    "reference_id",
    "issue_event_date",
)
GROUP_COLUMNS: Final = COLUMNS[1:]
"""What rows must share to travel in one request."""
REQUIRED: Final = ("customer_id", "badge_meta_id")
ALIASES: Final = {
    "customer": "customer_id",
    "user_id": "customer_id",
    "badge": "badge_meta_id",
    "badge_id": "badge_meta_id",
}
ADDED: Final = ("row", "problem")
"""Columns of our own `rejects.csv` and `failed.csv`: ignored when such a file is read again."""

_PROTECTED: Final = re.compile(r"'(?='*[=+\-@\t\r])")
_SHOWN_TITLES: Final = 10
_SHOWN_CHARS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnOptions:
    """What the user says about columns: headers mapped by hand, and values for a whole file."""

    mapped: Mapping[str, str] = field(default_factory=dict)
    """Columns by the titles that mean them; a title that means none has an empty one."""
    defaults: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Where each known column stands in the rows of one file."""

    header: tuple[str, ...]
    positions: Mapping[str, int]
    defaults: Mapping[str, str] = field(default_factory=dict)
    added: frozenset[int] = frozenset()
    """Where a `rejects.csv` or `failed.csv` of ours has its added columns; its cells carry our `'`."""


def parse_mapping(options: Sequence[str]) -> dict[str, str]:
    """Read `--map "Member No=customer_id"` options. Raises UsageError."""
    mapped: dict[str, str] = {}
    for option in options:
        header, equals, column = option.rpartition("=")
        title, column = normal_title(header), column.strip()
        if not (equals and title and column in COLUMNS):
            raise UsageError(f"--map {option!r}: write it as HEADER=COLUMN; columns are {', '.join(COLUMNS)}")
        if mapped.setdefault(title, column) != column:
            raise UsageError(f"--map sends {header!r} to both {mapped[title]} and {column}; keep one of them")
    return mapped


def match_columns(name: str, header: Sequence[str], options: ColumnOptions) -> Columns:
    """Find the known columns of a header.

    Raises InputRefused for a required column that is missing (naming the nearest header), and for
    two headers that match one column.
    """
    known = {**_KNOWN, **options.mapped}
    added = _added_columns(header)
    header = titles_of(header)
    positions: dict[str, int] = {}
    for position, title in enumerate(header):
        column = known.get(normal_title(title))
        if not column:
            continue
        if column in positions:
            raise InputRefused(
                f"{name}: the headers {_quoted(header[positions[column]])} and {_quoted(title)} "
                f"both mean {column}; "
                "rename or delete one of them"
            )
        positions.setdefault(column, position)
    _refuse_unmatched_maps(name, header, options)
    defaults = {column: value.strip() for column, value in options.defaults.items() if value.strip()}
    for column in REQUIRED:
        if column not in positions and column not in defaults:
            raise InputRefused(_missing(name, column, header, taken=set(positions.values())))
    found = {column: positions[column] for column in COLUMNS if column in positions}
    return Columns(header=tuple(header), positions=found, defaults=defaults, added=added)


def titles_of(header: Sequence[str]) -> list[str]:
    """Return the titles of a header as they were before a file of ours protected them."""
    return [unprotect(title) for title in header] if _added_columns(header) else list(header)


def by_name(title: str) -> str:
    """Name the column that a header means by itself, or none."""
    return _KNOWN.get(normal_title(title), "")


def mapping_to(titles: Sequence[str], chosen: Mapping[str, str]) -> dict[str, str]:
    """Map headers so that each column is taken from the one that was chosen for it, and from no other."""
    wanted = {normal_title(title): column for column, title in chosen.items() if title}
    meant = {normal_title(title): by_name(title) for title in titles}
    return {
        title: wanted.get(title, "") for title, column in meant.items() if wanted.get(title, "") != column
    }


def _added_columns(header: Sequence[str]) -> frozenset[int]:
    """Find the columns that a file of ours adds: the first `row` and the first `problem`, or none."""
    titles = [normal_title(title) for title in header]
    is_ours = all(column in titles for column in ADDED)
    return frozenset(titles.index(column) for column in ADDED) if is_ours else frozenset()


def _refuse_unmatched_maps(name: str, header: Sequence[str], options: ColumnOptions) -> None:
    present = {normal_title(title) for title in header}
    for title, column in options.mapped.items():
        if title not in present:
            raise InputRefused(f"{name} has no header like {title!r}, which --map sends to {column}")


def _missing(name: str, column: str, header: Sequence[str], taken: set[int]) -> str:
    text = f"{name} has no column for {column}"
    delimiter = guess_other_delimiter(list(header))
    if delimiter is not None:
        return f"{text}: its columns seem to be separated by {delimiter!r}; leave --delimiter out"
    free = {normal_title(title): title for position, title in enumerate(header) if position not in taken}
    wanted = [normal_title(column), *(normal_title(a) for a, meant in ALIASES.items() if meant == column)]
    near = next(iter(n for w in wanted for n in difflib.get_close_matches(w, free, n=1)), None)
    if near is not None:
        quoted = _quoted(free[near])
        return f'{text}; did you mean {quoted}? Rename it, or add --map "{quoted[1:-1]}={column}"'
    shown = ", ".join(_quoted(title) for title in header[:_SHOWN_TITLES])
    return f'{text}; its header is {shown}. Rename one, or add --map "HEADER={column}"'


def unprotect(cell: str) -> str:
    """Take off the `'` that our own files put before what a spreadsheet would run as a formula."""
    return cell[1:] if _PROTECTED.match(cell) else cell


def _quoted(title: str) -> str:
    """Quote a header for a message: on one line, and not longer than needed to find it."""
    return repr(title if len(title) <= _SHOWN_CHARS else f"{title[:_SHOWN_CHARS]}…")


def normal_title(title: str) -> str:
    """Write a title as it is compared: without case, blanks, underscores and hyphens."""
    return re.sub(r"[\s_-]+", "", title).casefold()


_KNOWN: Final = {
    **{normal_title(column): column for column in COLUMNS},
    **{normal_title(alias): column for alias, column in ALIASES.items()},
}
