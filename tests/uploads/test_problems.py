"""Invalid rows by page, rule, column and text; and cells that are corrected one by one."""

import csv
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert

from batch_issuer.errors import UsageError
from batch_issuer.ledger import open_ledger, tables
from batch_issuer.pipeline import issue
from batch_issuer.uploads import Choices, Wanted
from tests.intake.workbooks import save
from tests.pipeline.world import BADGES, reconciliation
from tests.uploads.conftest import Desk

HEADER = "customer_id,badge_meta_id,owner_type,reference_id,issue_event_date"
BAD = (
    f"{HEADER}\n700000001,{BADGES[0]},,,\n1.13461E+08,{BADGES[1]},,,\n0012345,nonsense,Loyality,gold,soon\n"
    f"\n700000003,{BADGES[1]},Loyalty,,\n700000004,{BADGES[2]},,,,Übrig\n"
)


async def rows(desk: Desk, content: str | Path, **wanted: str) -> list[int]:
    upload = await desk.bring(content)
    await desk.check(upload)
    page = await desk.uploads.problems(upload, Wanted(**wanted))
    return [one.row for one in page.rows]


async def test_every_invalid_row_is_shown_as_it_was_read_with_all_its_problems(desk: Desk) -> None:
    upload = await desk.bring(BAD)
    await desk.check(upload)
    page = await desk.uploads.problems(upload, Wanted())
    assert [one.row for one in page.rows] == [3, 4, 6, 7]
    assert page.rows[1].cells == ("0012345", "nonsense", "Loyality", "gold", "soon")
    assert [problem.column for problem in page.rows[1].problems] == [
        *("customer_id", "badge_meta_id", "owner_type", "issue_event_date"),
    ]
    assert "did you mean Loyalty?" in page.rows[1].problems[2].message
    assert page.rows[3].cells[5] == "Übrig"
    assert page.next_after is None


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"rule": "digits_lost"}, [3]),
        ({"column": "owner_type"}, [4, 6]),
        ({"column": "owner_type", "rule": "unknown_owner_type"}, [4]),
        ({"column": "customer_id", "rule": "unknown_owner_type"}, []),
        ({"rule": "no such rule"}, []),
        ({"text": "NONSENSE"}, [4]),
        ({"text": "übrig"}, [7]),
        ({"text": "7000000"}, [6, 7]),
        ({"text": "6"}, [3, 6]),  # the number of a row, and a digit of a cell
        ({"text": "%"}, []),
        ({"text": "gold", "rule": "digits_lost"}, []),
    ],
)
async def test_rows_are_found_by_rule_column_and_text(
    desk: Desk, wanted: dict[str, str], found: list[int]
) -> None:
    assert await rows(desk, BAD, **wanted) == found


async def test_pages_follow_one_another_and_miss_no_row(desk: Desk) -> None:
    bad = "".join(f"x{n},{BADGES[0]}\n" for n in range(25_000))
    upload = await desk.bring(f"customer_id,badge_meta_id\n{bad}")
    await desk.check(upload)
    seen: list[int] = []
    after: int | None = 0
    while after is not None:
        page = await desk.uploads.problems(upload, Wanted(text="x"), after=after, limit=4_000)
        seen += [one.row for one in page.rows]
        after = page.next_after
    assert seen == list(range(2, 25_002))


async def test_a_file_without_problems_has_no_pages_and_no_rejects(desk: Desk) -> None:
    upload = await desk.bring(BAD)
    await desk.check(upload)
    assert desk.uploads.rejects(upload).exists()
    fine = await desk.bring(f"customer_id,badge_meta_id\n700000001,{BADGES[0]}\n")
    await desk.check(fine)
    assert (await desk.uploads.problems(fine, Wanted())).rows == ()
    assert not desk.uploads.rejects(fine).exists()


async def test_rejects_can_be_corrected_elsewhere_and_brought_again(desk: Desk) -> None:
    upload = await desk.bring(BAD)
    await desk.check(upload)
    with desk.uploads.rejects(upload).open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["row"] for line in lines] == ["3", "4", "6", "7"]
    again = await desk.bring(desk.uploads.rejects(upload))
    assert (await desk.check(again)).invalid == 4


async def test_a_corrected_cell_is_what_is_checked_and_issued(desk: Desk) -> None:
    upload = await desk.bring(f"{HEADER}\n700000001,{BADGES[0]},,,\n\n0012345,{BADGES[0]},,,\n")
    assert (await desk.check(upload)).invalid == 1
    await desk.uploads.correct(upload, row=4, position=0, value="700000002")
    stale = await desk.uploads.checked(upload)
    assert stale is not None
    assert stale.is_stale
    checked = await desk.check(upload)
    assert (checked.invalid, checked.customers, checked.is_stale) == (0, 2, False)
    file, options = await desk.uploads.to_issue(upload)
    summary = await desk.world.run(lambda services: issue(services, file, options))
    lines = reconciliation(summary)
    assert [(line["row"], line["customer_id"]) for line in lines] == [("2", "700000001"), ("4", "700000002")]
    assert summary.batch.input_name == "customers.csv"
    assert (summary.batch.issued_by, summary.batch.upload) == ("maria", upload.upload)


async def test_a_correction_can_be_taken_back(desk: Desk) -> None:
    upload = await desk.bring(f"customer_id,badge_meta_id\n0012345,{BADGES[0]}\n")
    await desk.check(upload)
    await desk.uploads.correct(upload, row=2, position=0, value="12345")
    await desk.uploads.correct(upload, row=2, position=0, value="12346")
    assert [one.value for one in await desk.uploads.corrections(upload)] == ["12346"]
    assert (await desk.check(upload)).invalid == 0
    await desk.uploads.undo(upload, row=2, position=0)
    assert (await desk.check(upload)).invalid == 1
    assert (await desk.uploads.to_issue(upload))[0].name == "upload.csv"


async def test_a_short_row_gets_its_cell_and_a_surplus_one_is_cleared(desk: Desk) -> None:
    upload = await desk.bring(f"customer_id,badge_meta_id\n700000001\n700000002,{BADGES[0]},,oops\n")
    assert (await desk.check(upload)).invalid == 2
    await desk.uploads.correct(upload, row=2, position=1, value=BADGES[1])
    await desk.uploads.correct(upload, row=3, position=3, value="")
    assert (await desk.check(upload)).customers == 2


async def test_what_cant_be_corrected_is_refused_in_words(desk: Desk) -> None:
    upload = await desk.bring("customer_id\n0012345\n700000001\n")
    upload = await desk.uploads.choose(upload, Choices(values={"badge_meta_id": BADGES[0]}))
    await desk.check(upload)
    for row, position, value, told in (
        (3, 0, "7", "no such cell"),
        (2, 9, "7", "no such cell"),
        (2, -1, "7", "no such cell"),
        (2, 0, " ", "left without any cell"),
        (2, 0, "\0", "no cell can hold"),
        (2, 0, "7" * 5_000, "4,096 characters"),
    ):
        with pytest.raises(UsageError, match=told):
            await desk.uploads.correct(upload, row=row, position=position, value=value)


async def test_cells_of_our_own_rejects_file_are_corrected_as_they_are_shown(desk: Desk) -> None:
    upload = await desk.bring(
        f"row,problem,customer_id,badge,owner_type,reference_id\n2,x,'=7,{BADGES[0]},,\n"
    )
    await desk.check(upload)
    await desk.uploads.correct(upload, row=2, position=2, value="700000001")
    await desk.uploads.correct(upload, row=2, position=4, value="Loyalty")
    await desk.uploads.correct(upload, row=2, position=5, value="-gold")
    checked = await desk.check(upload)
    assert checked.groups[0]["reference_id"] == "-gold"


async def test_a_workbook_that_is_corrected_keeps_its_other_problems(desk: Desk, tmp_path: Path) -> None:
    book = save(
        tmp_path / "in.xlsx",
        [
            HEADER.split(","),
            ["0012345", BADGES[0], None, None, None],
            [700000002, BADGES[0], "Loyalty", date(2026, 3, 8), None],
            [700000003, BADGES[0], "Loyalty", 1.5e20, None],
            [700000004, BADGES[0], None, None, date(2026, 3, 8)],
        ],
    )
    upload = await desk.bring(book)
    before = await desk.check(upload)
    assert before.invalid == 3
    await desk.uploads.correct(upload, row=2, position=0, value="12345")
    after = await desk.check(upload)
    assert (after.invalid, after.customers) == (2, 2)
    page = await desk.uploads.problems(upload, Wanted())
    assert [(one.row, one.problems[0].rule.value) for one in page.rows] == [
        (3, "digits_lost"),
        (4, "digits_lost"),
    ]
    assert any(group["issue_event_date"] == "2026-03-08T00:00:00Z" for group in after.groups)


async def test_what_is_being_issued_is_neither_changed_nor_removed(desk: Desk) -> None:
    upload = await desk.bring(BAD)
    await desk.check(upload)

    def begin(connection: Connection) -> None:
        facts = {"run": "r1", "upload": upload.upload, "ended_at": "", "occupies": upload.upload}
        connection.execute(insert(tables.runs), [facts])

    async with open_ledger(desk.world.settings().ledger_url) as ledger:
        await ledger.write(begin)
    with pytest.raises(UsageError, match="is being issued"):
        await desk.uploads.correct(upload, row=3, position=0, value="7")
    with pytest.raises(UsageError, match="is being issued"):
        await desk.uploads.choose(upload, Choices())
    assert not await desk.uploads.remove(upload.upload)
    assert desk.folders() == [upload.upload]
