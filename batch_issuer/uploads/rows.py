"""All rows of an upload, a page at a time, those that are fine among them."""

from pathlib import Path
from typing import Final

from batch_issuer.intake import Sheet
from batch_issuer.intake.sampling import rows_behind
from batch_issuer.uploads.problem_file import ProblemPage, ProblemRow, Wanted, find_problems

SHOWN_ROWS: Final = 100_000
"""So far down a file can be looked at: each page passes over the rows before it."""


def find_rows(sheet: Sheet, problems: Path, *, after: int, limit: int) -> ProblemPage:
    """Return the next rows behind a row as they are read, with what was found wrong with some.

    Raises InputRefused.
    """
    limit = max(0, min(limit, SHOWN_ROWS - after))
    read = rows_behind(sheet, after=after, limit=limit + 1)
    wrong = {one.row: one for one in find_problems(problems, Wanted(), after=after, limit=limit).rows}
    rows = [wrong.get(row) or ProblemRow(row=row, cells=cells, problems=()) for row, cells in read[:limit]]
    next_after = rows[-1].row if rows and len(read) > limit else None
    return ProblemPage(rows=tuple(rows), next_after=next_after)
