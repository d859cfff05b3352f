"""The stage that turns a file into checked frames: the interface that every engine offers."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pandas as pd

from batch_issuer.batch.badges import BadgeBook, BadgeUse
from batch_issuer.batch.problems import InputProblem, Rule
from batch_issuer.errors import InputRefused, UsageError
from batch_issuer.intake.columns import COLUMNS, ColumnOptions, Columns, match_columns
from batch_issuer.intake.kinds import open_sheet
from batch_issuer.intake.repairs import frame_of, repair
from batch_issuer.intake.schema import InputRules, distinct_uses
from batch_issuer.intake.sheets import Limits, RawBlock, Sheet, SheetOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class InputOptions:
    """All that decides how a file is read; with the file itself it always gives the same frames."""

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

    def knowing(self, badges: BadgeBook) -> "Source":
        """Return the same source, whose rows are checked against their badges, too."""
        rules = replace(self.options.rules, badges=badges)
        return replace(self, options=replace(self.options, rules=rules))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CheckedFrame:
    """Some rows of the input, checked.

    `frame` holds the valid rows in input order, indexed by row number: `customer_id` as int64, the
    other columns as the text that is sent. Each row of `raw` is either there or has problems.
    """

    frame: pd.DataFrame
    problems: tuple[InputProblem, ...]
    repairs: Counter[str]
    raw: RawBlock
    columns: Columns
    spoiled: frozenset[BadgeUse]
    """How the invalid rows use badges; an owner type or a date that is invalid itself is left out."""


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


def check_rows(source: Source) -> Iterator[CheckedFrame]:
    """Yield checked frames in input order. Raises InputRefused for a file without data rows."""
    has_rows = False
    for raw in source.sheet.blocks():
        has_rows = True
        yield _check(raw, source)
    if not has_rows:
        raise InputRefused(f"{source.name} has a header, but no data rows")


def _check(raw: RawBlock, source: Source) -> CheckedFrame:
    frame, repairs = repair(frame_of(raw, source.columns), timezone=source.options.timezone)
    misled = list(_misleading_cells(raw, source))
    told = {(problem.row, problem.column) for problem in misled}
    found = source.options.rules.find_problems(frame)
    problems = [
        *_surplus_fields(raw, source.columns),
        *misled,
        *(problem for problem in found if (problem.row, problem.column) not in told),
    ]
    problems.sort(key=lambda problem: (problem.row, _COLUMN_ORDER.get(problem.column, -1)))
    invalid = {problem.row for problem in problems}
    valid = frame[~frame.index.isin(list(invalid))] if invalid else frame
    valid = valid.assign(customer_id=valid["customer_id"].astype("int64"))
    spoiled = distinct_uses(frame[frame.index.isin(list(invalid))]) if invalid else []
    return CheckedFrame(
        frame=valid,
        problems=tuple(problems),
        repairs=repairs,
        raw=raw,
        columns=source.columns,
        spoiled=frozenset(filter(None, (source.options.rules.sound_use(use) for use in spoiled))),
    )


_SECOND: Final = 2
_LOWEST_HEADER: Final = 20
"""So many rows below the first are looked through for column names under a title."""
_COLUMN_ORDER = {name: position for position, name in enumerate(COLUMNS)}


def _surplus_fields(raw: RawBlock, columns: Columns) -> Iterator[InputProblem]:
    width = len(columns.header)
    for row, record in zip(raw.numbers, raw.cells, strict=True):
        if len(record) > width and any(cell.strip() for cell in record[width:]):
            value = next(cell for cell in record[width:] if cell.strip())
            yield InputProblem(row=row, column="", value=value, rule=Rule.SURPLUS_FIELDS)


def _misleading_cells(raw: RawBlock, source: Source) -> Iterator[InputProblem]:
    """Yield the problems of cells that are not what their text looks like."""
    places = source.columns.positions.items()
    cells_of = dict(zip(raw.numbers, raw.cells, strict=True)) if raw.kinds else {}
    for row, kinds in raw.kinds.items():
        for column, at in places:
            finding = source.options.rules.explain_kind(column, kinds[at]) if at in kinds else None
            if finding is not None:
                value = cells_of[row][at]
                yield InputProblem(row=row, column=column, value=value, rule=finding.rule, hint=finding.hint)


def _check_defaults(options: InputOptions) -> None:
    """Refuse a wrong value for the whole file at once, not once for each row."""
    given = {name: value for name, value in options.columns.defaults.items() if value.strip()}
    if not given:
        return
    block = RawBlock(numbers=[1], cells=[[given.get(name, "") for name in COLUMNS]])
    columns = Columns(header=COLUMNS, positions={name: at for at, name in enumerate(COLUMNS)})
    frame, _ = repair(frame_of(block, columns), timezone=options.timezone)
    for name, value in given.items():
        finding = options.rules.explain(name, str(frame.loc[1, name]))
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
