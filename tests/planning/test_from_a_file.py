"""From cells to groups: what is one group although it is spelled in several ways."""

from pathlib import Path

from batch_issuer.intake import check_rows, open_source
from batch_issuer.planning import Plan, RowCollector, plan_requests
from tests.intake.sheets import BADGE, FULL_HEADER, options, write


def plan_file(folder: Path, *lines: str, timezone: str = "UTC") -> Plan:
    collector = RowCollector()
    path = write(folder, "\n".join([FULL_HEADER, *lines]))
    for checked in check_rows(open_source(path, options(timezone=timezone))):
        collector.add(checked)
    return plan_requests(collector.take(), chunk_size=100)


def test_two_spellings_of_one_instant_are_one_group(tmp_path: Path) -> None:
    planned = plan_file(
        tmp_path,
        f"1,{BADGE},,,2026-01-31",
        f"2,{BADGE},,,2026-01-30T23:00:00Z",
        f"3,{BADGE},,,2026-01-31 00:00+01:00",
        f"4,{BADGE},,,2026-01-31T00:00Z",
        timezone="Europe/Berlin",
    )

    assert planned.group_sizes == [3, 1]
    assert planned.groups[0].issue_event_date == "2026-01-30T23:00:00Z"


def test_badge_and_owner_type_in_another_case_are_one_group_but_a_reference_is_not(tmp_path: Path) -> None:
    planned = plan_file(
        tmp_path,
        f"1,{BADGE},Loyalty,r,",
        f"2,{BADGE.upper()},LOYALTY, r ,",
        f"3,{BADGE},Loyalty,R,",
    )

    assert planned.group_sizes == [2, 1]


def test_a_repaired_id_repeats_the_plain_one(tmp_path: Path) -> None:
    planned = plan_file(tmp_path, f"12,{BADGE},,,", "", f"'12,{BADGE},,,", f" 12.0,{BADGE},,,")

    assert planned.duplicates.tolist() == [4, 5]
    assert planned.repeated.tolist() == [2, 2]


def test_a_row_that_repeats_an_invalid_row_is_no_duplicate(tmp_path: Path) -> None:
    planned = plan_file(tmp_path, f"12,{BADGE},,,never", f"12,{BADGE},,,")

    assert planned.duplicates.tolist() == []
    assert planned.customers == 1
