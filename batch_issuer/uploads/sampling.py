"""Shows what an upload holds, and which of our columns each of its headers means."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from batch_issuer.intake import COLUMNS
from batch_issuer.intake.columns import REQUIRED, by_name, normal_title
from batch_issuer.intake.sampling import SheetSample

_REMEMBERED: Final = 500
"""Longer titles are no titles."""


class Meaning(StrEnum):
    """Why a header means a column."""

    BY_NAME = "name"
    REMEMBERED = "remembered"
    CHOSEN = "chosen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """How an upload begins, and how it is understood now."""

    sheet: SheetSample
    columns: Mapping[str, str]
    """The title that means each of our columns; none for those that the file has not."""
    why: Mapping[str, Meaning]
    """Why it does, for those that have one."""
    missing: tuple[str, ...]
    """Needed columns that neither a header nor a value for the whole file gives."""
    doubled: tuple[str, ...]
    """Columns that several headers mean: one of them is to be chosen."""

    def cells(self, title: str) -> list[str]:
        """Return the first cells under a header."""
        at = self.sheet.titles.index(title)
        return [row[at] if at < len(row) else "" for _, row in self.sheet.rows]


def understand(
    sheet: SheetSample, *, mapped: Mapping[str, str], values: Collection[str], is_chosen: bool
) -> Sample:
    """Say which column each header means, by its name or because it is mapped."""
    found: dict[str, list[str]] = {column: [] for column in COLUMNS}
    for title in sheet.titles:
        column = mapped.get(normal_title(title), by_name(title))
        if column:
            found[column].append(title)
    other = Meaning.CHOSEN if is_chosen else Meaning.REMEMBERED
    columns = {column: next(iter(titles), "") for column, titles in found.items()}
    return Sample(
        sheet=sheet,
        columns=columns,
        why={
            column: other if normal_title(title) in mapped else Meaning.BY_NAME
            for column, title in columns.items()
            if title
        },
        missing=tuple(name for name in REQUIRED if not columns[name] and name not in values),
        doubled=tuple(column for column, titles in found.items() if len(titles) > 1),
    )


def recalled_mapping(titles: Sequence[str], remembered: Mapping[str, str]) -> dict[str, str]:
    """Map headers by what they meant before; never one that has a meaning, to a column that has a header."""
    taken = {by_name(title) for title in titles}
    mapped: dict[str, str] = {}
    for title in map(normal_title, titles):
        column = remembered.get(title, "")
        if column and column not in taken and not by_name(title):
            mapped[title] = column
            taken.add(column)
    return mapped


def to_remember(titles: Sequence[str], chosen: Mapping[str, str]) -> dict[str, str]:
    """Say what is to be remembered of what was chosen for columns; headers that mean none are forgotten."""
    meant = {normal_title(title): column for column, title in chosen.items() if title}
    others = {
        title for title in map(normal_title, titles) if not by_name(title) and len(title) <= _REMEMBERED
    }
    return {title: meant.get(title, "") for title in others}
