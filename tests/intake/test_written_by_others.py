"""Files that real programs wrote, as they wrote them, are read alike."""

from pathlib import Path

import pytest

from batch_issuer.errors import InputRefused
from batch_issuer.intake import open_source

from .sheets import check, options

FOLDER = Path(__file__).parent / "libreoffice"
ONE, OTHER = "a1b2c3d4e5f60718293a4b01", "a1b2c3d4e5f60718293a4b02"
ROWS = {
    2: [700000001, ONE, "Loyalty", "gold-tier-2026", "2026-03-08T00:00:00Z"],
    3: [900719925474099, ONE, "", "", ""],
    4: [700000003, OTHER, "Journeys", "7", ""],
    6: [700000005, OTHER, "", "", ""],
    7: [700000006, OTHER, "", "", ""],
}


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("saved.xlsx", "an Excel workbook, sheet 'src'"),
        ("semicolons.csv", "UTF-8, separated by semicolons"),
        ("pipes.csv", "UTF-8, separated by pipes"),
        ("utf16.tsv", "UTF-16, separated by tabs"),
        ("windows.csv", "Windows-1252, separated by commas"),
    ],
)
def test_each_way_to_save_a_sheet_gives_the_same_rows(name: str, form: str) -> None:
    checked = check(FOLDER / name)

    assert {row: list(cells.values()) for row, cells in checked.valid.items()} == ROWS
    assert not checked.problems
    assert open_source(FOLDER / name, options()).sheet.form == form


@pytest.mark.parametrize(
    ("name", "told"), [("saved.xls", "old Excel workbook"), ("saved.ods", "OpenDocument")]
)
def test_each_other_kind_is_refused_with_how_to_save_it(name: str, told: str) -> None:
    with pytest.raises(InputRefused, match=rf"{told}.*Save As"):
        open_source(FOLDER / name, options())
