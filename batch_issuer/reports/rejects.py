"""Writes the invalid rows of a file while it is checked."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from batch_issuer.intake import CheckedRows, RawBlock
from batch_issuer.reports.cells import content, protected_cells
from batch_issuer.reports.invalid_rows import InvalidRows
from batch_issuer.reports.originals import ColumnRows, RowsAsRead, original_lines
from batch_issuer.reports.row_files import original_rows_file

if TYPE_CHECKING:
    from batch_issuer.reports.files import CsvLines


def rejects_writer(files: ExitStack, path: Path) -> Callable[[CheckedRows], None]:
    """Make what writes the invalid rows of a block; the file is there if there are any."""
    opened: list[CsvLines] = []

    def write(rows: CheckedRows) -> None:
        if not rows.problems:
            return
        columns = rows.columns
        if not opened:
            opened.append(files.enter_context(original_rows_file(path, columns).open(always=False)))
        invalid = InvalidRows.of(rows.problems)
        read = invalid_as_read(rows, invalid)
        opened[0].content(
            content(original_lines(read, protected_cells(invalid.texts()), columns)), len(invalid)
        )

    return write


def invalid_as_read(rows: CheckedRows, invalid: InvalidRows) -> RowsAsRead:
    """Return the invalid rows of a block as they were read."""
    return rows.raw if isinstance(rows.block, RawBlock) else ColumnRows.of(rows.block, invalid.rows)
