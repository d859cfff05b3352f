"""Builders: a spreadsheet as a file, and what the intake makes of it."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from batch_issuer.batch.badges import BadgeBook
from batch_issuer.batch.problems import InputProblem
from batch_issuer.intake import (
    COLUMNS,
    ColumnOptions,
    InputOptions,
    InputRules,
    Limits,
    SheetOptions,
    check_rows,
    open_source,
    parse_mapping,
)

BADGE = "5f3a1c2b4d5e6f7a8b9c0d1e"
HEADER = "customer_id,badge_meta_id"
FULL_HEADER = f"{HEADER},owner_type,reference_id,issue_event_date"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """All that the intake said of one file."""

    valid: dict[int, dict[str, Any]]
    problems: list[InputProblem]
    repairs: Counter[str]

    @property
    def rules(self) -> dict[int, list[str]]:
        """The rules that each invalid row breaks."""
        found: dict[int, list[str]] = {}
        for problem in self.problems:
            found.setdefault(problem.row, []).append(problem.rule.value)
        return found

    @property
    def customers(self) -> dict[int, int]:
        """The customer of each valid row."""
        return {row: cells["customer_id"] for row, cells in self.valid.items()}


def options(
    *,
    maps: Sequence[str] = (),
    defaults: Mapping[str, str] | None = None,
    timezone: str = "UTC",
    limits: Limits | None = None,
    badge_pattern: str = "[0-9a-f]{24}",
    badges: BadgeBook | None = None,
    sheet: str | None = None,
    how_written: SheetOptions | None = None,
) -> InputOptions:
    return InputOptions(
        sheet=how_written or SheetOptions(sheet=sheet),
        columns=ColumnOptions(mapped=parse_mapping(maps), defaults=defaults or {}),
        rules=InputRules(badge_pattern=badge_pattern, badges=badges),
        timezone=ZoneInfo(timezone),
        limits=limits or Limits(),
    )


def write(folder: Path, content: str | bytes, name: str = "in.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def check(path: Path, how: InputOptions | None = None) -> Checked:
    valid: dict[int, dict[str, Any]] = {}
    problems: list[InputProblem] = []
    repairs: Counter[str] = Counter()
    for checked in check_rows(open_source(path, how or options())):
        cells = zip(checked.customers.tolist(), checked.codes.tolist(), strict=True)
        valid |= {
            row: dict(zip(COLUMNS, (customer, *checked.keys[code]), strict=True))
            for row, (customer, code) in zip(checked.rows.tolist(), cells, strict=True)
        }
        problems += checked.problems
        repairs += checked.repairs
    return Checked(valid=valid, problems=problems, repairs=repairs)


def check_text(folder: Path, content: str | bytes, how: InputOptions | None = None) -> Checked:
    return check(write(folder, content), how)


def check_cells(folder: Path, how: InputOptions | None = None, **cells: str) -> Checked:
    """Check one row that is fine but for the given cells."""
    row = {"customer_id": "7", "badge_meta_id": BADGE, **cells}
    return check_text(folder, as_csv([list(row), list(row.values())]), how)


def as_csv(
    records: Iterable[Sequence[str]],
    *,
    line_end: str = "\r\n",
    quote_all: bool = False,
    delimiter: str = ",",
) -> str:
    text = io.StringIO()
    # the writer leaves a newline in a cell without quotes where it is no part of the line end
    quoting: Literal[0, 1] = csv.QUOTE_ALL if quote_all or line_end == "\r" else csv.QUOTE_MINIMAL
    csv.writer(text, lineterminator=line_end, quoting=quoting, delimiter=delimiter).writerows(records)
    return text.getvalue()
