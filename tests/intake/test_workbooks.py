"""Excel workbooks: cells are taken for what they are; what can not be read is refused in plain words."""

import struct
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

from batch_issuer.errors import InputRefused, UsageError
from batch_issuer.intake import Limits, SheetOptions, check_rows, open_source
from batch_issuer.intake.workbooks.workbook import Workbook

from .sheets import BADGE, FULL_HEADER, HEADER, Checked, check, options
from .workbooks import MAIN, pack, parts_of, rows_of_text, save, sheet_of

HEAD = HEADER.split(",")
FULL = FULL_HEADER.split(",")


def save_row(folder: Path, **cells: Any) -> Path:
    """Write one row that is fine but for some cells."""
    row = {"customer_id": 7, "badge_meta_id": BADGE, **cells}
    return save(folder / "in.xlsx", [FULL, [row.get(name) for name in FULL]])


def check_row(folder: Path, **cells: Any) -> Checked:
    return check(save_row(folder, **cells))


def refusal(path: Path, sheet: str | None = None) -> str:
    with pytest.raises(InputRefused) as refused:
        list(check_rows(open_source(path, options(sheet=sheet))))
    message = str(refused.value)
    assert message.isprintable()
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("cell", "customer"),
    [
        (7, 7),
        (123456789012.0, 123456789012),
        (2**53, 2**53),
        ("9223372036854775807", 2**63 - 1),
        ("'113460811", 113460811),
        (" 8 ", 8),
        ("8.0", 8),
    ],
)
def test_a_customer_id_is_read_exactly_as_number_and_as_text(
    tmp_path: Path, cell: object, customer: int
) -> None:
    assert check_row(tmp_path, customer_id=cell).customers == {2: customer}


@pytest.mark.parametrize(
    ("cell", "rule"),
    [
        (2**53 + 2, "digits_lost"),
        (1.13461e22, "digits_lost"),
        ("1.13461E+08", "digits_lost"),
        (12.5, "fraction"),
        (-5, "sign"),
        (0, "out_of_range"),
        (True, "not_a_number"),
        (date(2026, 1, 31), "not_a_number"),
        (datetime(2026, 1, 31, 8, 15), "not_a_number"),  # noqa: DTZ001 - a cell has no zone
        (time(8, 15), "not_a_number"),
        ("#N/A", "not_a_number"),
        ("00123", "leading_zero"),
        (None, "missing"),
    ],
)
def test_what_is_no_customer_id_names_its_rule(tmp_path: Path, cell: object, rule: str) -> None:
    assert check_row(tmp_path, customer_id=cell).rules == {2: [rule]}


def test_the_number_just_above_the_exact_ones_is_refused_and_not_taken_for_the_last_of_them(
    tmp_path: Path,
) -> None:
    cells = (
        "<v>9007199254740993</v>",
        "<f>A1</f><v>9007199254740993</v>",
        "<v>9007199254740992</v>",
    )
    rows = [
        f'<row r="{row}"><c r="A{row}"{kind}>{cell}</c><c r="B{row}" t="str"><v>{BADGE}</v></c></row>'
        for row, (cell, kind) in enumerate(
            [*((cell, "") for cell in cells), (cells[0], ' t="n"'), (cells[0], ' t="str"')], 2
        )
    ]
    sheet = sheet_of(rows_of_text({1: HEAD}) + "".join(rows))

    checked = check(pack(tmp_path / "in.xlsx", parts_of(sheet)))

    assert checked.rules == {2: ["digits_lost"], 3: ["digits_lost"], 5: ["digits_lost"]}
    assert checked.customers == {4: 2**53, 6: 2**53 + 1}


@pytest.mark.parametrize(
    ("cell", "rules"),
    [
        (date(2026, 3, 8), ["digits_lost"]),
        (1.13461e22, ["digits_lost"]),
        (2**53 + 2, ["digits_lost"]),
        ("2026-03-08", []),
        (12345, []),
        (1.5, []),
        ("#N/A", ["missing"]),
    ],
)
def test_a_reference_is_refused_where_the_spreadsheet_changed_it(
    tmp_path: Path, cell: object, rules: list[str]
) -> None:
    checked = check_row(tmp_path, owner_type="Loyalty", reference_id=cell)

    assert checked.rules.get(2, []) == rules


def test_numbers_in_a_reference_are_written_as_the_spreadsheet_shows_them(tmp_path: Path) -> None:
    rows: list[list[Any]] = [FULL, *([7, BADGE, "Loyalty", cell] for cell in (12345, 1.5, 0.1 + 0.2, True))]
    checked = check(save(tmp_path / "in.xlsx", rows))

    assert [row["reference_id"] for row in checked.valid.values()] == ["12345", "1.5", "0.3", "TRUE"]


@pytest.mark.parametrize(
    ("cell", "instant"),
    [
        (date(2026, 1, 31), "2026-01-30T23:00:00Z"),
        (datetime(2026, 1, 31, 8, 15), "2026-01-31T07:15:00Z"),  # noqa: DTZ001 - a cell has no zone
        ("2026-01-31", "2026-01-30T23:00:00Z"),
        ("2026-01-31T08:15:00Z", "2026-01-31T08:15:00Z"),
        (20260131, "2026-01-30T23:00:00Z"),
    ],
)
def test_dates_are_read_as_dates_in_the_zone_of_the_settings(
    tmp_path: Path, cell: object, instant: str
) -> None:
    path = save_row(tmp_path, issue_event_date=cell)

    assert check(path, options(timezone="Europe/Berlin")).valid[2]["issue_event_date"] == instant


def test_days_counted_from_1904_are_the_same_days(tmp_path: Path) -> None:
    rows: list[list[Any]] = [FULL, [7, BADGE, None, None, date(2026, 1, 31)]]
    path = save(tmp_path / "in.xlsx", rows, date_1904=True)

    assert check(path).valid[2]["issue_event_date"] == "2026-01-31T00:00:00Z"


@pytest.mark.parametrize("cell", [46053, time(8, 15), True, "3/8/26"])
def test_what_is_no_date_is_refused(tmp_path: Path, cell: object) -> None:
    assert check_row(tmp_path, issue_event_date=cell).rules == {2: ["not_a_date"]}


@pytest.mark.parametrize("error", ["#N/A", "#DIV/0!", "#REF!", "#NAME?", "#VALUE!"])
@pytest.mark.parametrize(
    ("column", "rule"),
    [
        ("customer_id", "not_a_number"),
        ("badge_meta_id", "pattern"),
        ("owner_type", "unknown_owner_type"),
        ("reference_id", "missing"),
        ("issue_event_date", "not_a_date"),
    ],
)
def test_a_failed_formula_makes_its_row_invalid_in_every_column(
    tmp_path: Path, error: str, column: str, rule: str
) -> None:
    row = dict(zip(FULL, (7, BADGE, "Loyalty", "gold", "2026-01-31"), strict=True))
    path = save(
        tmp_path / "in.xlsx",
        [FULL, list(row.values())],
        lambda _, sheet: sheet.write_formula(1, FULL.index(column), "=1/0", None, error),
    )

    checked = check(path)

    assert checked.rules == {2: [rule]}
    assert "formula failed" in checked.problems[0].message


def test_a_failed_formula_in_a_column_that_nobody_reads_does_no_harm(tmp_path: Path) -> None:
    path = save(
        tmp_path / "in.xlsx",
        [[*HEAD, "note"], [7, BADGE]],
        lambda _, sheet: sheet.write_formula(1, 2, "=1/0", None, "#DIV/0!"),
    )

    assert check(path).customers == {2: 7}


def test_a_formula_counts_by_the_value_that_the_spreadsheet_worked_out(tmp_path: Path) -> None:
    def add(_: object, sheet: Any) -> None:
        sheet.write_formula(1, 0, "=40+2", None, 42)
        sheet.write_formula(1, 1, '="x"', None, BADGE.upper())

    checked = check(save(tmp_path / "in.xlsx", [FULL], add))

    assert checked.valid[2]["customer_id"] == 42
    assert checked.valid[2]["badge_meta_id"] == BADGE


def test_a_formula_whose_value_is_the_empty_text_is_an_empty_cell(tmp_path: Path) -> None:
    row = (
        f'<row r="2"><c r="A2"><v>7</v></c><c r="B2" t="str"><v>{BADGE}</v></c>'
        '<c r="C2" t="str"><f>""</f><v></v></c><c r="D2" t="str"><f>""</f><v/></c></row>'
    )

    assert check(pack(tmp_path / "in.xlsx", parts_of(sheet_of(rows_of_text({1: FULL}) + row)))).customers == {
        2: 7
    }


def test_a_formula_that_was_never_worked_out_is_told_and_not_taken_for_an_empty_cell(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in (FULL, [7, BADGE, "Loyalty", "=A1&B1"], [8, BADGE, None, None, "=TODAY()"]):
        book.active.append(row)
    book.save(tmp_path / "in.xlsx")

    checked = check(tmp_path / "in.xlsx")

    assert checked.rules == {2: ["missing"], 3: ["not_a_date"]}
    assert "open the file in Excel, and save it" in checked.problems[0].message


def test_blank_rows_keep_their_numbers_and_the_margin_its_columns(tmp_path: Path) -> None:
    rows: list[list[Any]] = [[None, *HEAD], [], [None, 1, BADGE], [" "], [None, 2, BADGE], [None, 3]]

    checked = check(save(tmp_path / "in.xlsx", rows))

    assert checked.customers == {3: 1, 5: 2}
    assert checked.rules == {6: ["missing"]}


def test_a_filled_cell_behind_the_header_is_a_surplus_field_of_its_row_alone(tmp_path: Path) -> None:
    checked = check(save(tmp_path / "in.xlsx", [HEAD, [1, BADGE, None, "x"], [2, BADGE]]))

    assert checked.rules == {2: ["surplus_fields"]}
    assert checked.customers == {3: 2}


def form_and_warnings(path: Path, sheet: str | None = None) -> tuple[str, tuple[str, ...]]:
    source = open_source(path, options(sheet=sheet))
    list(check_rows(source))
    return source.sheet.form, source.sheet.warnings


def test_hidden_rows_are_read_and_counted(tmp_path: Path) -> None:
    def hide(_: object, sheet: Any) -> None:
        sheet.set_row(1, None, None, {"hidden": True})
        sheet.set_row(3, None, None, {"hidden": True})  # blank: it hides nothing
        sheet.set_column(5, 5, None, None, {"hidden": True})

    path = save(tmp_path / "in.xlsx", [HEAD, [1, BADGE], [2, BADGE]], hide)

    assert check(path).customers == {2: 1, 3: 2}
    assert form_and_warnings(path)[1] == (
        "1 hidden row was read like any other; delete the rows that are not meant",
    )


def test_filtered_rows_are_hidden_rows(tmp_path: Path) -> None:
    def hide(_: object, sheet: Any) -> None:
        sheet.autofilter(0, 0, 3, 1)
        for row in (1, 2):
            sheet.set_row(row, None, None, {"hidden": True})

    path = save(tmp_path / "in.xlsx", [HEAD, [1, BADGE], [2, BADGE], [3, BADGE]], hide)

    assert form_and_warnings(path)[1][0].startswith("2 hidden rows were read")


def test_merged_cells_count_as_their_first_and_are_told(tmp_path: Path) -> None:
    path = save(
        tmp_path / "in.xlsx",
        [HEAD, [1], [2]],
        lambda book, sheet: sheet.merge_range("B2:B3", BADGE, book.add_format()),
    )

    assert check(path).customers == {2: 1}
    assert check(path).rules == {3: ["missing"]}
    assert form_and_warnings(path)[1][0].startswith("1 area of merged cells")


def several_sheets(folder: Path) -> Path:
    def add(book: Any, sheet: Any) -> None:
        sheet.hide()
        for name in ("March", "April"):
            other = book.add_worksheet(name)
            other.write_row(0, 0, HEAD)
            other.write_row(1, 0, [len(name), BADGE])
        book.get_worksheet_by_name("March").activate()
        book.get_worksheet_by_name("March").set_first_sheet()

    return save(folder / "in.xlsx", [HEAD, [99, BADGE]], add)


def test_the_first_sheet_that_can_be_seen_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    path = several_sheets(tmp_path)

    form, warnings = form_and_warnings(path)

    assert check(path).customers == {2: 5}
    assert form == "an Excel workbook, sheet 'March'"
    assert warnings == (
        (
            "the workbook holds 2 sheets besides: 'Customers', 'April'; "
            "--sheet NAME reads another than the first"
        ),
    )


@pytest.mark.parametrize(("sheet", "customer"), [("April", 5), ("april ", 5), ("Customers", 99)])
def test_another_sheet_is_read_by_its_name(tmp_path: Path, sheet: str, customer: int) -> None:
    path = several_sheets(tmp_path)

    assert check(path, options(sheet=sheet)).customers == {2: customer}
    assert form_and_warnings(path, sheet)[1] == ()


def test_a_sheet_that_is_not_there_is_wrong_usage_and_the_sheets_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no sheet 'May'; its sheets are 'Customers', 'March', 'April'"):
        open_source(several_sheets(tmp_path), options(sheet="May"))


def test_options_of_the_other_kind_of_file_are_wrong_usage(tmp_path: Path) -> None:
    text = tmp_path / "in.csv"
    text.write_text(f"{HEADER}\n1,{BADGE}\n")

    with pytest.raises(UsageError, match="--sheet is for Excel workbooks"):
        open_source(text, options(sheet="March"))
    with pytest.raises(UsageError, match="are for text files"):
        open_source(several_sheets(tmp_path), options(how_written=SheetOptions(encoding="utf-8")))


@pytest.mark.parametrize(
    ("above", "told"),
    [
        ([["Badges for March"]], "seem to be in row 2, but must be in the first; delete row 1"),
        ([["Badges for March"], [], ["by", "Ann"]], "seem to be in row 4, .*; delete rows 1 to 3"),
        ([[], []], "row 1 is empty; the first row must hold the column names"),
    ],
)
def test_a_title_above_the_header_is_refused_with_what_to_do(
    tmp_path: Path, above: list[list[str]], told: str
) -> None:
    with pytest.raises(InputRefused, match=told):
        check(save(tmp_path / "in.xlsx", [*above, HEAD, [1, BADGE]]))


def test_a_sheet_without_cells_is_refused(tmp_path: Path) -> None:
    assert "row 1 is empty" in refusal(save(tmp_path / "in.xlsx", []))
    assert "no data rows" in refusal(save(tmp_path / "in.xlsx", [HEAD]))


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("xl/workbook.bin", ".xlsb"),
        ("content.xml", "OpenDocument"),
        ("Index/Document.iwa", "Numbers"),
        ("word/document.xml", "Word document"),
        ("photo.jpg", "is a zip file, not a spreadsheet"),
    ],
)
def test_other_kinds_of_zip_files_are_called_by_their_names(tmp_path: Path, part: str, told: str) -> None:
    assert told in refusal(pack(tmp_path / "in.xlsx", {part: "x", "mimetype": "y"}))


def test_a_protected_workbook_is_refused_with_how_to_clear_the_password(tmp_path: Path) -> None:
    path = tmp_path / "in.xlsx"
    path.write_bytes(b"\xd0\xcf\x11\xe0" + b"\0" * 2_000_000 + "EncryptedPackage".encode("utf-16-le"))

    assert "protected by a password; in Excel choose File > Info" in refusal(path)


def test_an_old_workbook_is_refused_with_how_to_save_it_anew(tmp_path: Path) -> None:
    path = tmp_path / "in.xls"
    path.write_bytes(b"\xd0\xcf\x11\xe0" + "Workbook".encode("utf-16-le") * 100)

    assert '(.xls), or another old Office file; open it in Excel and choose "Save As"' in refusal(path)


def damages() -> dict[str, Callable[[bytes], bytes]]:
    return {
        "cut in the middle": lambda content: content[: len(content) // 2],
        "without its end": lambda content: content[:-30],
        "only its beginning": lambda content: content[:4],
        "with a byte changed": lambda content: content[:400] + bytes([content[400] ^ 255]) + content[401:],
    }


@pytest.mark.parametrize("damage", damages().values(), ids=damages().keys())
def test_a_damaged_workbook_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    parts = parts_of(sheet_of(rows_of_text({1: HEAD, 2: ["1", BADGE]})))
    path = pack(tmp_path / "in.xlsx", {"xl/worksheets/sheet1.xml": "", **parts})
    path.write_bytes(damage(path.read_bytes()))

    assert "is damaged" in refusal(path)


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ("<row r='1'><c r='A1' t='s'><v>7</v></c></row>", "is damaged"),
        ("<row r='1'><c r='A1'><v>1</c></row>", "is damaged"),
        ("<row r='1'><c r='A99999999999'><v>1</v></c></row>", "is damaged"),
        ("<row r='1'><c r='AAAAAAAA1'><v>1</v></c></row>", "is damaged"),
        (rows_of_text({2: HEAD, 1: HEAD}), "rows that are not in order"),
        (rows_of_text({1: HEAD, 2: ["1"]}) + rows_of_text({2: ["2"]}), "rows that are not in order"),
        ("<row r='1'><c r='A2'><v>1</v></c></row>", "rows that are not in order"),
        (rows_of_text({1_048_577: HEAD}), "rows that are not in order"),
    ],
)
def test_a_sheet_whose_rows_cannot_be_told_apart_is_refused(tmp_path: Path, cells: str, told: str) -> None:
    assert told in refusal(pack(tmp_path / "in.xlsx", parts_of(sheet_of(cells))))


def test_a_workbook_whose_cells_tell_no_places_is_read_in_their_order(tmp_path: Path) -> None:
    rows = "".join(
        f'<row><c t="inlineStr"><is><t>{a}</t></is></c><c t="inlineStr"><is><t>{b}</t></is></c></row>'
        for a, b in (HEAD, ["1", BADGE], ["2", BADGE])
    )

    assert check(pack(tmp_path / "in.xlsx", parts_of(sheet_of(rows)))).customers == {2: 1, 3: 2}


def test_tags_may_carry_a_prefix(tmp_path: Path) -> None:
    plain = sheet_of(rows_of_text({1: HEAD, 2: ["1", BADGE], 3: ["#N/A", BADGE]}))
    sheet = plain.replace("</", "</x:").replace("<", "<x:").replace("<x:/x:", "</x:").replace("<x:?", "<?")
    path = pack(tmp_path / "in.xlsx", parts_of(sheet.replace("xmlns=", "xmlns:x=")))

    assert check(path).customers == {2: 1}


@pytest.mark.parametrize(
    "range_used",
    [
        "<row r='1'><c r='A1'><v>1</v></c></row><row r='1048576'><c r='XFD1048576'><v>1</v></c></row>",
        "<row><c><v>1</v></c></row>" * 30_000 + "<row>" + "<c><v>1</v></c>" * 400 + "</row>",
    ],
)
def test_a_huge_range_with_hardly_a_cell_is_refused_before_memory_is_spent(
    tmp_path: Path, range_used: str
) -> None:
    path = pack(tmp_path / "in.xlsx", parts_of(sheet_of(range_used)))

    assert "columns, most of them empty; delete the empty columns" in refusal(path)


def telling_size(path: Path, part: str, size: int) -> Path:
    """Let a zip file tell another unpacked size of a part."""
    with zipfile.ZipFile(path) as file:
        told = file.getinfo(part).file_size
    path.write_bytes(path.read_bytes().replace(struct.pack("<L", told), struct.pack("<L", size)))
    return path


@pytest.mark.parametrize("part", ["xl/sharedStrings.xml", "xl/worksheets/sheet1.xml", "xl/workbook.xml"])
def test_a_zip_bomb_is_refused_by_the_size_that_it_tells(tmp_path: Path, part: str) -> None:
    parts = {
        **parts_of(sheet_of(rows_of_text({1: HEAD, 2: ["1", BADGE]}))),
        "xl/sharedStrings.xml": "<sst/>" + " " * 54_321,
    }
    path = pack(tmp_path / "in.xlsx", parts)

    assert "would unpack to more than" in refusal(telling_size(path, part, 3 << 30))


def test_a_zip_bomb_that_tells_a_smaller_size_is_damaged(tmp_path: Path) -> None:
    path = pack(
        tmp_path / "in.xlsx", parts_of(sheet_of(rows_of_text({1: HEAD, 2: ["1", BADGE]}) + " " * 5000))
    )

    assert "is damaged" in refusal(telling_size(path, "xl/worksheets/sheet1.xml", 300))


def test_a_list_that_tells_a_huge_number_of_entries_takes_no_memory_for_them(tmp_path: Path) -> None:
    many = 4_294_967_296
    texts = "".join(f"<si><t>{text}</t></si>" for text in (*HEAD, BADGE))
    row = (
        "<row r='1'><c r='A1' t='s'><v>0</v></c><c r='B1' t='s'><v>1</v></c></row>"
        "<row r='2'><c r='A2'><v>7</v></c><c r='B2' t='s'><v>2</v></c></row>"
    )
    path = pack(
        tmp_path / "in.xlsx",
        parts_of(
            sheet_of(row),
            **{
                "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}" count="{many}" uniqueCount="{many}">'
                f"{texts}</sst>",
                "xl/styles.xml": f'<styleSheet xmlns="{MAIN}"><numFmts count="{many}"/>'
                f"<cellXfs count='{many}'><xf numFmtId='0'/></cellXfs></styleSheet>",
            },
        ),
    )

    assert check(path).customers == {2: 7}


def test_entities_that_expand_without_end_are_refused(tmp_path: Path) -> None:
    parts = parts_of(sheet_of(rows_of_text({1: HEAD, 2: ["1", BADGE]})))
    entities = "".join(f'<!ENTITY e{at} "{f"&e{at - 1};" * 10}">' for at in range(1, 12))
    bomb = f'<!DOCTYPE x [<!ENTITY e0 "ha">{entities}]>'
    parts["xl/workbook.xml"] = bomb + parts["xl/workbook.xml"].replace('name="S"', 'name="&e11;"')

    assert "is damaged" in refusal(pack(tmp_path / "in.xlsx", parts))


def test_a_sheet_in_many_slices_gives_the_rows_of_one(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        [] if at % 7 == 6 else [at, BADGE if at % 5 else "", "n" * (at % 90)] for at in range(3_000)
    ]
    rows[0] = [*HEAD, "note"]

    def hide(_: object, sheet: Any) -> None:
        for row in range(0, 3_000, 100):
            sheet.set_row(row, None, None, {"hidden": True})

    path = save(tmp_path / "in.xlsx", rows, hide)
    whole, cut = (
        Workbook(path, name="in.xlsx", sheet=None, limits=Limits(), slice_bytes=size)
        for size in (1 << 24, 4_096)
    )

    assert cut.header() == whole.header() == rows[0]
    assert list(cut.blocks()) == list(whole.blocks())
    assert cut.warnings == whole.warnings
    assert cut.warnings[0].startswith("26 hidden rows")


def test_limits_hold_for_workbooks(tmp_path: Path) -> None:
    path = save(tmp_path / "in.xlsx", [[*HEAD, "note"], [1, BADGE, "n" * 11], [2, BADGE]])

    with pytest.raises(InputRefused, match="row 2 has a cell of more than 10 characters"):
        check(path, options(limits=Limits(max_cell_chars=10, max_rows=5)))
    with pytest.raises(InputRefused, match="more than 1 data rows"):
        check(path, options(limits=Limits(max_rows=1)))


def test_what_pandas_writes_is_read(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "Customer ID": [7, 2**40],
            "Badge": [BADGE, BADGE.upper()],
            "issue event date": pd.to_datetime(["2026-01-31", "2026-02-01"]),
        }
    )
    for engine in ("openpyxl", "xlsxwriter"):
        frame.to_excel(tmp_path / "in.xlsx", index=False, engine=engine)
        checked = check(tmp_path / "in.xlsx")

        assert checked.customers == {2: 7, 3: 2**40}
        assert {row["issue_event_date"] for row in checked.valid.values()} == {
            "2026-01-31T00:00:00Z",
            "2026-02-01T00:00:00Z",
        }


def test_a_frame_with_a_gap_in_its_numbers_keeps_them_exact(tmp_path: Path) -> None:
    pd.DataFrame({"customer_id": [1, None, 3], "badge": [BADGE] * 3}).to_excel(
        tmp_path / "in.xlsx", index=False
    )

    checked = check(tmp_path / "in.xlsx")

    assert checked.customers == {2: 1, 4: 3}
    assert checked.rules == {3: ["missing"]}
