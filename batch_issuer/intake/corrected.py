"""Writes a copy of a file in which some cells are corrected, as separated text with the same row numbers.

What text alone would mislead about stays refused: no cell becomes right by being copied alone.
"""

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final

from batch_issuer.errors import OutputNotWritable
from batch_issuer.intake.columns import Columns
from batch_issuer.intake.shapes import marked
from batch_issuer.intake.sheets import CellKind, SheetOptions
from batch_issuer.intake.source import Source

WRITTEN_AS: Final = SheetOptions(encoding="utf-8", delimiter=",")
"""How such a copy is to be read."""
_LINE_END: Final = "\r\n"
_SEPARATOR_LINE: Final = re.compile("sep=", re.IGNORECASE)

Corrected = Mapping[int, Mapping[int, str]]
"""Corrected cells by row number and by place in the row, counted from 0."""


def write_corrected(
    source: Source, target: Path, cells: Corrected, *, on_block: Callable[[], None] = lambda: None
) -> None:
    """Write the copy; `on_block` is called now and then, and may raise to stop.

    Raises what reading the file raises, and OutputNotWritable.
    """
    try:
        with target.open("w", encoding="utf-8-sig", newline="") as file:
            _write(source, file, cells, on_block)
    except OSError as exc:
        raise OutputNotWritable(target.parent, exc.strerror) from exc


def _write(source: Source, file: IO[str], cells: Corrected, on_block: Callable[[], None]) -> None:
    writer = csv.writer(file, lineterminator=_LINE_END)
    writer.writerow(_header(source.sheet.header()))
    last = 1
    for number, row, kinds in _rows(source, on_block):
        file.write(_LINE_END * (number - last - 1))  # blank lines count
        writer.writerow(_row(row, kinds, source.columns, cells.get(number, {})))
        last = number


def _rows(
    source: Source, on_block: Callable[[], None]
) -> Iterator[tuple[int, list[str], Mapping[int, CellKind]]]:
    for block in source.sheet.blocks():
        on_block()
        for number, row in zip(block.numbers, block.cells, strict=True):
            yield number, row, block.kinds.get(number, {})


def _header(titles: list[str]) -> list[Any]:
    """Keep a title from being read as a line that tells the separator."""
    first, *others = titles
    return [f" {first}" if _SEPARATOR_LINE.match(first) else first, *others]


def _row(
    row: list[str], kinds: Mapping[int, CellKind], columns: Columns, corrected: Mapping[int, str]
) -> list[str]:
    if not kinds and not corrected:
        return row
    written = row + [""] * (max(corrected, default=-1) + 1 - len(row))
    column_at = {at: column for column, at in columns.positions.items()}
    for at, kind in kinds.items():
        if at in column_at:
            written[at] = marked(written[at], column_at[at], kind)
    for at, value in corrected.items():
        written[at] = value
    return written
