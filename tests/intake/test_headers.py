"""Headers: which of them are known, and what is said about the others."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from batch_issuer.errors import InputRefused, UsageError
from batch_issuer.intake import SheetOptions, open_source, parse_mapping

from .sheets import BADGE, HEADER, check_text, options, write


def refusal(folder: Path, header: str, maps: tuple[str, ...] = ()) -> str:
    with pytest.raises(InputRefused) as refused:
        check_text(folder, f"{header}\n1,{BADGE}\n", options(maps=maps))
    message = str(refused.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    "header",
    [
        "customer_id,badge_meta_id",
        "Customer ID,Badge Meta ID",
        "customerId,badgeMetaId",
        "CUSTOMER-ID,BADGE-META-ID",
        " customer_id , badge_meta_id ",
        "customer\u00a0id,badge\u00a0meta\u00a0id",
        "Customer,Badge",
        "user_id,badge_id",
        "User ID,BadgeId",
        '"customer_id","badge_meta_id"',
        "\ufeffcustomer_id,badge_meta_id",
        "customer_id,badge_meta_id,,",
        "customer_id,badge_meta_id,note",
    ],
)
def test_headers_match_whatever_their_case_blanks_and_hyphens(tmp_path: Path, header: str) -> None:
    assert check_text(tmp_path, f"{header}\n1,{BADGE}\n").customers == {2: 1}


def test_columns_may_stand_in_any_order_among_others(tmp_path: Path) -> None:
    checked = check_text(tmp_path, f"note,badge,,customer,note\nx,{BADGE},y,5,z\n")

    assert checked.customers == {2: 5}


def test_a_header_can_be_mapped_by_hand(tmp_path: Path) -> None:
    how = options(maps=["Member No=customer_id", "a=b=badge_meta_id"])

    assert check_text(tmp_path, f"MEMBER-NO,A=B\n1,{BADGE}\n", how).customers == {2: 1}


def test_a_map_wins_over_what_the_header_would_mean(tmp_path: Path) -> None:
    how = options(maps=["customer=reference_id", "kind=owner_type"])

    checked = check_text(tmp_path, f"{HEADER},customer,kind\n1,{BADGE},r1,Loyalty\n", how)

    assert checked.valid[2]["reference_id"] == "r1"


@pytest.mark.parametrize(
    "text", ["customer_id", "x=", "x=customer", "=customer_id", " - =customer_id", "x=row"]
)
def test_a_map_without_header_or_known_column_is_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError, match="write it as HEADER=COLUMN"):
        parse_mapping([text])


def test_one_header_can_not_be_mapped_to_two_columns() -> None:
    assert parse_mapping(["A=customer_id", "a=customer_id"]) == {"a": "customer_id"}
    with pytest.raises(UsageError, match="both customer_id and badge_meta_id"):
        parse_mapping(["Member No=customer_id", "member_no=badge_meta_id"])


def test_a_map_of_a_header_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "no header like 'memberno'" in refusal(tmp_path, HEADER, ("Member No=customer_id",))


@pytest.mark.parametrize("header", ["customer_id,Customer", "user id,customer id", "badge,badge_id"])
def test_two_headers_for_one_column_are_refused_by_name(tmp_path: Path, header: str) -> None:
    message = refusal(tmp_path, f"{header},{HEADER}")

    assert "both mean" in message
    assert all(f"'{title}'" in message for title in header.split(","))


def test_a_missing_column_names_the_nearest_header_and_the_option_that_maps_it(tmp_path: Path) -> None:
    message = refusal(tmp_path, "Custmer Id,badge")

    assert "no column for customer_id; did you mean 'Custmer Id'?" in message
    assert '--map "Custmer Id=customer_id"' in message


def test_a_missing_column_without_a_near_header_shows_the_header(tmp_path: Path) -> None:
    message = refusal(tmp_path, "badge,colour,size")

    assert "its header is 'badge', 'colour', 'size'" in message
    assert "--map" in message


def test_a_header_of_enormous_size_makes_no_enormous_message(tmp_path: Path) -> None:
    message = refusal(tmp_path, ",".join("x\u0007" * 2000 for _ in range(30)))

    assert len(message) < 2500
    assert message.isprintable()


@pytest.mark.parametrize(("delimiter", "shown"), [(";", "';'"), ("\t", r"'\t'"), ("|", "'|'")])
def test_a_separator_that_was_told_wrongly_is_named(tmp_path: Path, delimiter: str, shown: str) -> None:
    path = write(tmp_path, f"customer_id{delimiter}badge_meta_id{delimiter}note")
    how = replace(options(), sheet=SheetOptions(delimiter="comma"))

    with pytest.raises(InputRefused, match=re.escape(f"separated by {shown}; leave --delimiter out")):
        open_source(path, how)


def test_a_value_for_the_whole_file_stands_in_for_a_missing_column_or_cell(tmp_path: Path) -> None:
    how = options(defaults={"badge_meta_id": BADGE.upper(), "issue_event_date": " 2026-01-31 "})

    without = check_text(tmp_path, "customer_id\n1\n", how)
    with_column = check_text(tmp_path, f"{HEADER}\n1, \n2,{'a' * 24}\n3\n", how)

    assert without.valid[2]["badge_meta_id"] == BADGE
    assert without.valid[2]["issue_event_date"] == "2026-01-31T00:00:00Z"
    assert [cells["badge_meta_id"] for cells in with_column.valid.values()] == [BADGE, "a" * 24, BADGE]
    assert not without.repairs


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("badge_meta_id", "summer"),
        ("owner_type", "Loyality"),
        ("reference_id", "r" * 129),
        ("issue_event_date", "31.1.2026"),
    ],
)
def test_a_wrong_value_for_the_whole_file_is_wrong_usage(tmp_path: Path, column: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"the value for the whole file is wrong: {column}"):
        check_text(tmp_path, f"{HEADER}\n1,{BADGE}\n", options(defaults={column: value}))


def test_half_a_pair_for_the_whole_file_is_wrong_usage_where_no_row_can_have_the_other(
    tmp_path: Path,
) -> None:
    half = options(defaults={"owner_type": "loyalty"})

    with pytest.raises(UsageError, match="no column for reference_id"):
        check_text(tmp_path, f"{HEADER}\n1,{BADGE}\n", half)
    assert check_text(tmp_path, f"{HEADER},reference_id\n1,{BADGE},r1\n", half).valid
    both = options(defaults={"owner_type": "loyalty", "reference_id": "r1"})
    assert check_text(tmp_path, f"{HEADER}\n1,{BADGE}\n", both).valid[2]["owner_type"] == "Loyalty"


def test_a_blank_value_for_the_whole_file_is_none(tmp_path: Path) -> None:
    how = options(defaults={"badge_meta_id": " ", "owner_type": ""})

    assert check_text(tmp_path, f"{HEADER}\n1,{BADGE}\n", how).valid
    with pytest.raises(InputRefused, match="no column for badge_meta_id"):
        check_text(tmp_path, "customer_id\n1\n", how)


def test_our_protecting_apostrophe_comes_off_in_our_own_files_only(tmp_path: Path) -> None:
    row = f"1,{BADGE},Loyalty,'=r1"
    header = f"{HEADER},owner_type,reference_id"

    ours = check_text(tmp_path, f"row,problem,{header}\n9,too bad,{row}\n")
    theirs = check_text(tmp_path, f"row,{header}\n9,{row}\n")

    assert ours.valid[2]["reference_id"] == "=r1"
    assert theirs.valid[2]["reference_id"] == "'=r1"


def test_a_protected_header_of_our_own_file_is_the_header_it_was(tmp_path: Path) -> None:
    path = write(tmp_path, f"row,problem,'-customer-id,badge\n9,too bad,1,{BADGE}\n")

    columns = open_source(path, options()).columns

    assert columns.added == {0, 1}
    assert columns.header == ("row", "problem", "-customer-id", "badge")


def test_a_protected_sign_comes_back_as_a_sign(tmp_path: Path) -> None:
    assert check_text(tmp_path, f"row,problem,{HEADER}\n9,x,'-5,{BADGE}\n").rules == {2: ["sign"]}


def test_messages_name_the_users_file_and_not_the_copy(tmp_path: Path) -> None:
    path = write(tmp_path, "\n")

    with pytest.raises(InputRefused, match=r"^mine\.csv: row 1 is empty"):
        open_source(path, options(), name="mine.csv")
