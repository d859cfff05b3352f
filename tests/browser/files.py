"""Spreadsheets as people bring them."""

from collections.abc import Sequence
from pathlib import Path

from openpyxl import Workbook

from tests.pipeline.world import BADGES

GOOD = "customer_id,badge_meta_id\n" + "".join(f"{700_000_001 + n},{BADGES[n % 2]}\n" for n in range(9))
WITH_MISTAKES = (
    "Customer ID,Badge ID,Shop\n"
    f"700000001,{BADGES[0]},north\n"
    f"7.00000E+08,{BADGES[0]},south\n"
    f"700000003,{BADGES[1]},south\n"
    f"'700000004,{BADGES[1]},north\n"
    f"700000005,no badge,north\n"
    f"700000001,{BADGES[0]},north\n"
    f"700000007,{BADGES[0]},west\n"
)
"""Seven rows: two are invalid, one repeats the first, one is repaired."""


def write_text(folder: Path, text: str, name: str = "spring.csv") -> Path:
    """Write a file of text."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def write_workbook(folder: Path, rows: Sequence[Sequence[str | int]], name: str = "spring.xlsx") -> Path:
    """Write an Excel workbook."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(list(row))
    book.save(folder / name)
    return folder / name
