"""Opens a file as a source of rows: its kind, its header, and the values for the whole file."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pyarrow as pa

from batch_issuer.batch.badges import BadgeBook
from batch_issuer.batch.problems import InputProblem
from batch_issuer.errors import InputRefused, UsageError
from batch_issuer.intake.columns import GROUP_COLUMNS, ColumnOptions, Columns, match_columns
from batch_issuer.intake.kinds import open_sheet
from batch_issuer.intake.repairs import repair_groups
from batch_issuer.intake.schema import InputRules
from batch_issuer.intake.sheets import Block, Limits, Sheet, SheetOptions
from batch_issuer.intake.spans import PART_BYTES, Span

_SECOND: Final = 2
_LOWEST_HEADER: Final = 20
"""So many rows below the first are looked through for column names under a title."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputOptions:
    """All that decides how a file is read; with the file itself it always gives the same rows."""

    sheet: SheetOptions = field(default_factory=SheetOptions)
    columns: ColumnOptions = field(default_factory=ColumnOptions)
    rules: InputRules = field(default_factory=InputRules)
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file whose header is understood."""

    sheet: Sheet
    name: str
    columns: Columns
    options: InputOptions

    def at(self, path: Path) -> "Source":
        """Return the same source, read from a copy of the file."""
        return replace(self, sheet=self.sheet.at(path))

    def spans(self, *, part_bytes: int = PART_BYTES) -> Iterator[Span]:
        """Cut the file into parts of some `part_bytes` each, in order; each can be read by itself.

        Together they hold exactly the rows of the file: the first one the header, too. Where a row can't be
        told from the next there is no part behind it. Raises UsageError where the file can't be read.
        """
        return self.sheet.spans(part_bytes=part_bytes)

    def within(self, span: Span) -> "Source":
        """Return the same source, of which only a part is read.

        Its blocks raise what those of the whole file would raise for these rows; and UsageError, at the
        latest behind the last row, where the bytes are not those that were cut.
        """
        return replace(self, sheet=self.sheet.within(span))

    def blocks(self) -> Iterator[Block]:
        """Yield the data rows: as columns where that gives the same, else cell by cell."""
        columns = self.columns
        if "customer_id" not in columns.positions or columns.added:
            return self.sheet.blocks()
        others = (at for name, at in columns.positions.items() if name != "customer_id")
        return self.sheet.column_blocks(frozenset(others))

    def knowing(self, badges: BadgeBook) -> "Source":
        """Return the same source, whose rows are checked against their badges, too."""
        rules = replace(self.options.rules, badges=badges)
        return replace(self, options=replace(self.options, rules=rules))


def open_source(path: Path, options: InputOptions, *, name: str | None = None) -> Source:
    """Look at a file's kind and header.

    Raises InputRefused for a file that can't be read as a spreadsheet, and UsageError for a missing
    file or a wrong value for the whole file.
    """
    name = name or path.name
    _check_defaults(options)
    sheet = open_sheet(path, options.sheet, options.limits, name=name)
    columns = _match(sheet, name, options)
    _check_pair(name, columns)
    return Source(sheet=sheet, name=name, columns=columns, options=options)


def _match(sheet: Sheet, name: str, options: InputOptions) -> Columns:
    header = sheet.header()
    try:
        return match_columns(name, header, options.columns)
    except InputRefused:
        row = _find_lower_header(sheet, options.columns)
        if row is None:
            raise
        above = "row 1" if row == _SECOND else f"rows 1 to {row - 1}"
        raise InputRefused(
            f"{name}: the column names seem to be in row {row}, but must be in the first; delete {above}"
        ) from None


def _find_lower_header(sheet: Sheet, options: ColumnOptions) -> int | None:
    """Find a row below a title that names the columns."""
    with suppress(InputRefused):  # what is wrong with row 1 is told first
        for block in islice(sheet.blocks(), 1):
            rows = zip(block.numbers, block.cells, strict=True)
            return next(
                (row for row, cells in islice(rows, _LOWEST_HEADER) if _is_header(cells, options)), None
            )
    return None


def _is_header(cells: list[str], options: ColumnOptions) -> bool:
    with suppress(InputRefused):
        return bool(match_columns("", cells, options).positions)
    return False


def _check_defaults(options: InputOptions) -> None:
    """Refuse a wrong value for the whole file at once, not once for each row."""
    given = {name: value for name, value in options.columns.defaults.items() if value.strip()}
    if not given:
        return
    sent, _ = repair_groups(
        {name: pa.array([given.get(name, "")]) for name in GROUP_COLUMNS}, timezone=options.timezone
    )
    for name in GROUP_COLUMNS:
        value = given.get(name)
        if value is None:
            continue
        finding = options.rules.explain(name, sent[name][0].as_py())
        if finding is not None:
            problem = InputProblem(row=1, column=name, value=value, rule=finding.rule, hint=finding.hint)
            raise UsageError(f"the value for the whole file is wrong: {problem.message}")


def _check_pair(name: str, columns: Columns) -> None:
    """Refuse one half of a pair for the whole file where no row can have the other half."""
    for given, other in (("owner_type", "reference_id"), ("reference_id", "owner_type")):
        has_other = other in columns.positions or other in columns.defaults
        if given in columns.defaults and not has_other:
            raise UsageError(
                f"{given} is given for the whole file, but {name} has no column for {other}: they go "
                f"together; give {other} for the whole file too"
            )
