"""What a cell may hold, what is repaired, and why the others are refused."""

from pathlib import Path

import pytest

from batch_issuer.batch.requests import OWNER_TYPES

from .sheets import BADGE, FULL_HEADER, check_cells, check_text, options

GOOD_IDS = ["1", "113460811", "9223372036854775807", "1000000000000000000", "9" * 18]
REPAIRED_IDS = [
    (" 12", 12, ["surrounding blanks"]),
    ("12\t", 12, ["surrounding blanks"]),
    ("\u00a012\u00a0", 12, ["surrounding blanks"]),
    ("12\u202f", 12, ["surrounding blanks"]),
    ("12\u2028", 12, ["surrounding blanks"]),
    ("12\n", 12, ["surrounding blanks"]),
    ("'12", 12, ["leading '"]),
    ("' 12", 12, ["leading '"]),
    ("12.0", 12, ["trailing .0"]),
    (" '12.0 ", 12, ["surrounding blanks", "leading '", "trailing .0"]),
    ("9223372036854775807.0", 9223372036854775807, ["trailing .0"]),
]
BAD_IDS = [
    ("", "missing"),
    ("  ", "missing"),
    ("'", "missing"),
    ("\u00a0", "missing"),
    ("1.13461E+08", "digits_lost"),
    ("1,13461E+08", "digits_lost"),
    ("1e5", "digits_lost"),
    ("-1.1E+8", "digits_lost"),
    ("113,460,811", "separators"),
    ("1,234", "separators"),
    ("113.460.811", "separators"),
    ("113 460 811", "separators"),
    ("113\u00a0460\u00a0811", "separators"),
    ("113'460'811", "separators"),
    ("1_000", "separators"),
    ("555-0100", "separators"),
    ("0012345", "leading_zero"),
    ("00", "leading_zero"),
    ("007.0", "leading_zero"),
    ("+12", "sign"),
    ("-5", "sign"),
    ("- 5", "sign"),
    ("\u22125", "sign"),
    ("-12.5", "sign"),
    ("12.5", "fraction"),
    ("12,5", "fraction"),
    ("12.00", "fraction"),
    (".5", "fraction"),
    ("12.", "fraction"),
    ("0", "out_of_range"),
    ("0.0", "out_of_range"),
    ("9223372036854775808", "out_of_range"),
    ("9" * 400, "out_of_range"),
    ("\u0661\u0662", "non_ascii_digits"),
    ("\uff11\uff12", "non_ascii_digits"),
    ("12\u0663", "non_ascii_digits"),
    ("\u00b2", "non_ascii_digits"),
    ("1\x002", "control_character"),
    ("1\u200b2", "control_character"),
    ("12\n13", "control_character"),
    ("\ufeff12", "control_character"),
    ("abc", "not_a_number"),
    ("12abc", "not_a_number"),
    ("''12", "not_a_number"),
    ("nan", "not_a_number"),
    ("None", "not_a_number"),
    ("NULL", "not_a_number"),
    ("#REF!", "not_a_number"),
    ("TRUE", "not_a_number"),
    ("0x1F", "not_a_number"),
    ("(5)", "not_a_number"),
    ("=1+1", "not_a_number"),
]


@pytest.mark.parametrize("cell", GOOD_IDS)
def test_a_whole_number_in_range_is_a_customer(tmp_path: Path, cell: str) -> None:
    checked = check_cells(tmp_path, customer_id=cell)

    assert checked.customers == {2: int(cell)}
    assert not checked.repairs


@pytest.mark.parametrize(("cell", "customer", "repairs"), REPAIRED_IDS)
def test_what_a_spreadsheet_adds_to_an_id_is_taken_off_and_counted(
    tmp_path: Path, cell: str, customer: int, repairs: list[str]
) -> None:
    checked = check_cells(tmp_path, customer_id=cell)

    assert checked.customers == {2: customer}
    assert dict(checked.repairs) == dict.fromkeys(repairs, 1)


@pytest.mark.parametrize(("cell", "rule"), BAD_IDS)
def test_an_id_that_may_mean_something_else_is_refused_with_its_reason(
    tmp_path: Path, cell: str, rule: str
) -> None:
    checked = check_cells(tmp_path, customer_id=cell)

    assert checked.rules == {2: [rule]}
    assert not checked.valid


@pytest.mark.parametrize("cell", [BADGE, BADGE.upper(), f" {BADGE} ", f"\u00a0{BADGE}"])
def test_a_badge_is_sent_in_lower_case_without_blanks(tmp_path: Path, cell: str) -> None:
    checked = check_cells(tmp_path, badge_meta_id=cell)

    assert checked.valid[2]["badge_meta_id"] == BADGE


@pytest.mark.parametrize(
    ("cell", "rule"),
    [
        ("", "missing"),
        (" ", "missing"),
        (BADGE[:-1], "pattern"),
        (BADGE + "0", "pattern"),
        (BADGE[:-1] + "g", "pattern"),
        ("'" + BADGE, "pattern"),
        ("summer badge", "pattern"),
        (BADGE[:-1] + "\u0661", "pattern"),
        ("1.23457E+23", "digits_lost"),
        ("1,23457E+23", "digits_lost"),
        (BADGE[:12] + "\u200b" + BADGE[12:], "control_character"),
        (BADGE[:12] + "\x00" + BADGE[12:], "control_character"),
    ],
)
def test_what_is_no_badge_id_is_refused_with_its_reason(tmp_path: Path, cell: str, rule: str) -> None:
    assert check_cells(tmp_path, badge_meta_id=cell).rules == {2: [rule]}


def test_a_badge_pattern_may_be_written_in_capitals(tmp_path: Path) -> None:
    checked = check_cells(tmp_path, options(badge_pattern="B-[A-Z]{3}"), badge_meta_id="b-XYZ")

    assert checked.valid[2]["badge_meta_id"] == "b-xyz"


@pytest.mark.parametrize("cell", ["\u0661\u0662\u0663", "12\uff13"])
def test_a_badge_pattern_never_means_the_digits_of_other_alphabets(tmp_path: Path, cell: str) -> None:
    how = options(badge_pattern=r"\d{3}")

    assert check_cells(tmp_path, how, badge_meta_id=cell).rules == {2: ["pattern"]}


def test_a_pattern_that_fits_empty_text_does_not_make_the_badge_optional(tmp_path: Path) -> None:
    assert check_cells(tmp_path, options(badge_pattern=".*"), badge_meta_id="").rules == {2: ["missing"]}


@pytest.mark.parametrize("owner", OWNER_TYPES)
@pytest.mark.parametrize("spell", [str, str.upper, str.lower, str.swapcase])
def test_an_owner_type_in_any_case_is_sent_in_the_contracts_spelling(
    tmp_path: Path, owner: str, spell: type[str]
) -> None:
    checked = check_cells(tmp_path, owner_type=spell(owner), reference_id="r1")

    assert checked.valid[2]["owner_type"] == owner


def test_an_unknown_owner_type_names_the_nearest(tmp_path: Path) -> None:
    near = check_cells(tmp_path, owner_type="loyalty promotions", reference_id="r1")
    far = check_cells(tmp_path, owner_type="xyz", reference_id="r1")

    assert near.rules == far.rules == {2: ["unknown_owner_type"]}
    assert "did you mean Loyalty_Promotion?" in near.problems[0].message
    assert all(owner in far.problems[0].message for owner in OWNER_TYPES)


def test_owner_type_and_reference_go_together(tmp_path: Path) -> None:
    assert check_cells(tmp_path, owner_type="Loyalty", reference_id=" ").rules == {
        2: ["owner_without_reference"]
    }
    assert check_cells(tmp_path, owner_type="", reference_id="r1").rules == {2: ["reference_without_owner"]}
    assert check_cells(tmp_path, owner_type="", reference_id="").valid


@pytest.mark.parametrize("cell", ["r" * 128, "K\u00e4se 2026", "'quoted", "=SUM(A1)", "a\u2028b", "a\u00a0b"])
def test_a_reference_is_any_text_on_one_line(tmp_path: Path, cell: str) -> None:
    checked = check_cells(tmp_path, owner_type="Loyalty", reference_id=cell)

    assert checked.valid[2]["reference_id"] == cell


@pytest.mark.parametrize(
    ("cell", "rule"),
    [
        ("r" * 129, "too_long"),
        ("a\nb", "control_character"),
        ("a\x00b", "control_character"),
        ("a\x85b", "control_character"),
    ],
)
def test_a_reference_too_long_or_with_control_characters_is_refused(
    tmp_path: Path, cell: str, rule: str
) -> None:
    assert check_cells(tmp_path, owner_type="Loyalty", reference_id=cell).rules == {2: [rule]}


@pytest.mark.parametrize(
    ("timezone", "cell", "instant"),
    [
        ("UTC", "2026-01-31", "2026-01-31T00:00:00Z"),
        ("UTC", "20260131", "2026-01-31T00:00:00Z"),
        ("UTC", "2026-W05-6", "2026-01-31T00:00:00Z"),
        ("UTC", "2026-01-31T08:15", "2026-01-31T08:15:00Z"),
        ("UTC", "2026-01-31 08:15:00", "2026-01-31T08:15:00Z"),
        ("UTC", "2026-01-31t08:15:00z", "2026-01-31T08:15:00Z"),
        ("UTC", "2026-01-31T09:15:00+01:00", "2026-01-31T08:15:00Z"),
        ("UTC", "2026-01-31T09:15:00+0100", "2026-01-31T08:15:00Z"),
        ("UTC", "2026-01-31T08:15:00.500Z", "2026-01-31T08:15:00.500000Z"),
        ("UTC", " 2026-01-31 ", "2026-01-31T00:00:00Z"),
        ("Asia/Tokyo", "2026-01-31", "2026-01-30T15:00:00Z"),
        ("Europe/Berlin", "2026-07-01T12:00", "2026-07-01T10:00:00Z"),
        ("Europe/Berlin", "2026-07-01T12:00Z", "2026-07-01T12:00:00Z"),
    ],
)
def test_a_date_is_an_instant_in_utc(tmp_path: Path, timezone: str, cell: str, instant: str) -> None:
    checked = check_cells(tmp_path, options(timezone=timezone), issue_event_date=cell)

    assert checked.valid[2]["issue_event_date"] == instant


@pytest.mark.parametrize(
    "cell",
    [
        "31.01.2026",
        "01/31/2026",
        "2026-02-29",
        "2026-13-45T99:99Z",
        "2026-01-31T08:15:60Z",
        "2026-01-31T24:30",
        "2026-01-31T",
        "2026-1-3",
        "2026",
        "2026-01",
        "2026-W05",
        "45322",
        "2026-01-31-08:00",
        "2026-01-31-0800",
        "2026-01-31+01:00",
        "2026-01-31x08:15",
        "2026-01-31T08:15 Europe/Berlin",
        "\uff12\uff10\uff12\uff16-01-31",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "10000-01-01",
        "tomorrow",
        "nan",
        "2026-01-31\x00",
    ],
)
def test_what_is_no_date_is_refused(tmp_path: Path, cell: str) -> None:
    assert check_cells(tmp_path, issue_event_date=cell).rules == {2: ["not_a_date"]}


def test_every_problem_of_a_row_is_reported_at_once_in_the_order_of_the_columns(tmp_path: Path) -> None:
    checked = check_text(tmp_path, f"{FULL_HEADER}\nabc,zz,nope,,never,surplus\n1,,,r,\n")

    assert checked.rules == {
        2: [
            "surplus_fields",
            "not_a_number",
            "pattern",
            "unknown_owner_type",
            "owner_without_reference",
            "not_a_date",
        ],
        3: ["missing", "reference_without_owner"],
    }
    assert [problem.column for problem in checked.problems if problem.row == 3] == [
        "badge_meta_id",
        "reference_id",
    ]
