"""The blank workbook keeps ids whole, checks them while they are typed, and is read as it is filled in."""

import io
from pathlib import Path

import openpyxl
from openpyxl.worksheet.worksheet import Worksheet

from batch_issuer.batch.requests import OWNER_TYPES
from batch_issuer.intake import check_rows, open_source
from batch_issuer.intake.workbooks.template import template_workbook

from .sheets import BADGE, FULL_HEADER, check, options


def open_template() -> tuple[openpyxl.Workbook, Worksheet]:
    book = openpyxl.load_workbook(io.BytesIO(template_workbook()))
    sheet = book.worksheets[0]
    return book, sheet


def test_its_first_sheet_has_the_known_columns_formatted_as_text() -> None:
    _, sheet = open_template()

    assert [cell.value for cell in sheet[1]] == FULL_HEADER.split(",")
    assert {sheet.column_dimensions[letter].number_format for letter in "ABCDE"} == {"@"}
    assert sheet.freeze_panes == "A2"


def test_every_column_is_checked_while_it_is_typed_down_to_the_last_row() -> None:
    _, sheet = open_template()
    checks = {str(check.sqref): check for check in sheet.data_validations.dataValidation}

    assert set(checks) == {f"{letter}2:{letter}1048576" for letter in "ABCDE"}
    owners = checks["C2:C1048576"]
    assert owners.type == "list"
    assert str(owners.formula1).strip('"').split(",") == list(OWNER_TYPES)


def test_another_sheet_explains_every_column() -> None:
    book, _ = open_template()
    explained = [row[0].value for row in book["How to fill this in"].iter_rows(max_row=6)]

    assert explained == ["column", *FULL_HEADER.split(",")]


def test_it_is_the_same_file_each_time() -> None:
    assert template_workbook() == template_workbook()


def test_filled_in_it_is_read_without_a_word_of_the_sheet_that_explains(tmp_path: Path) -> None:
    book, sheet = open_template()
    sheet.append(["9223372036854775807", BADGE, "Loyalty", "gold", "2026-03-08"])
    sheet.append([7, BADGE])
    path = tmp_path / "filled.xlsx"
    book.save(path)

    source = open_source(path, options())

    assert check(path).customers == {2: 2**63 - 1, 3: 7}
    assert len(list(check_rows(source))) == 1
    assert source.sheet.warnings == ()
