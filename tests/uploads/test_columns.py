"""Headers mean columns by their names, by what was chosen, and by what was chosen the last time."""

from pathlib import Path

import pytest

from batch_issuer.errors import UsageError
from batch_issuer.uploads import Choices, Meaning
from tests.intake.workbooks import save
from tests.pipeline.world import BADGES
from tests.uploads.conftest import Desk

ODD = f"Member No,Award,Note\n700000001,{BADGES[0]},hello\n700000002,{BADGES[1]}\n"
CHOSEN = {"customer_id": "Member No", "badge_meta_id": "Award"}


async def test_a_sample_shows_titles_and_first_rows(desk: Desk) -> None:
    sample = await desk.uploads.sample(await desk.bring("Customer ID,badge\n\n7,x\n8,y\n9\n10,z\n11,z\n12\n"))
    assert sample.columns["customer_id"] == "Customer ID"
    assert sample.columns["badge_meta_id"] == "badge"
    assert set(sample.why.values()) == {Meaning.BY_NAME}
    assert [number for number, _ in sample.sheet.rows] == [3, 4, 5, 6, 7]
    assert sample.cells("badge") == ["x", "y", "", "z", "z"]
    assert sample.sheet.form == "UTF-8, separated by commas"
    assert sample.missing == ()


async def test_a_missing_column_is_told_and_not_raised(desk: Desk) -> None:
    upload = await desk.bring(ODD)
    assert (await desk.uploads.sample(upload)).missing == ("customer_id", "badge_meta_id")
    upload = await desk.uploads.choose(upload, Choices(values={"badge_meta_id": BADGES[0]}, columns={}))
    assert (await desk.uploads.sample(upload)).missing == ("customer_id",)


async def test_what_was_chosen_is_remembered_for_the_next_file(desk: Desk) -> None:
    upload = await desk.uploads.choose(await desk.bring(ODD), Choices(columns=CHOSEN))
    assert set((await desk.uploads.sample(upload)).why.values()) == {Meaning.CHOSEN}
    assert (await desk.check(upload)).customers == 2
    following = await desk.bring(ODD.replace("Member No", "member_no"), name="next.csv")
    sample = await desk.uploads.sample(following)
    assert sample.columns["customer_id"] == "member_no"
    assert set(sample.why.values()) == {Meaning.REMEMBERED}
    assert (await desk.check(following)).customers == 2


async def test_what_means_nothing_any_more_is_forgotten(desk: Desk) -> None:
    upload = await desk.uploads.choose(await desk.bring(ODD), Choices(columns=CHOSEN))
    await desk.uploads.choose(upload, Choices(columns={**CHOSEN, "badge_meta_id": ""}))
    assert (await desk.uploads.sample(await desk.bring(ODD))).missing == ("badge_meta_id",)


async def test_memory_never_spoils_a_file_that_is_fine_by_itself(desk: Desk) -> None:
    await desk.uploads.choose(await desk.bring(ODD), Choices(columns=CHOSEN))
    both = await desk.bring(f"customer_id,badge,Member No\n700000009,{BADGES[0]},17\n")
    assert (await desk.uploads.sample(both)).columns["customer_id"] == "customer_id"
    assert (await desk.check(both)).customers == 1


async def test_of_two_headers_of_one_meaning_one_is_chosen(desk: Desk) -> None:
    upload = await desk.bring(f"customer_id,user_id,badge\nx,700000001,{BADGES[0]}\n")
    assert (await desk.uploads.sample(upload)).doubled == ("customer_id",)
    assert "both mean customer_id" in (await desk.check(upload)).failure
    chosen = Choices(columns={"customer_id": "user_id", "badge_meta_id": "badge"})
    upload = await desk.uploads.choose(upload, chosen)
    assert (await desk.check(upload)).customers == 1
    assert (await desk.uploads.sample(upload)).doubled == ()


async def test_another_sheet_is_looked_at_anew(desk: Desk, tmp_path: Path) -> None:
    def more(book: object, _: object) -> None:
        other = book.add_worksheet("April")  # type: ignore[attr-defined]  # a real writer
        other.write_row(0, 0, ["customer_id", "badge_meta_id"])
        other.write_row(1, 0, [700000001, BADGES[0]])

    upload = await desk.bring(save(tmp_path / "in.xlsx", [["Member No", "Award"], [7, "x"]], more))
    assert (await desk.uploads.sample(upload)).sheet.sheets == ("Customers", "April")
    upload = await desk.uploads.choose(upload, Choices(columns=CHOSEN, sheet="April"))
    sample = await desk.uploads.sample(upload)
    assert (sample.missing, sample.columns["customer_id"]) == ((), "customer_id")
    assert (await desk.check(upload)).customers == 1


async def test_an_encoding_and_a_separator_can_be_told(desk: Desk) -> None:
    upload = await desk.bring(b"customer_id|badge_meta_id,note\n7|x\n")
    upload = await desk.uploads.choose(upload, Choices(delimiter="pipe"))
    assert (await desk.uploads.sample(upload)).sheet.form == "UTF-8, separated by pipes"


async def test_our_own_rejects_file_is_understood_by_its_real_titles(desk: Desk) -> None:
    upload = await desk.bring(f"row,problem,'=note,customer_id,badge\n2,x,'=1,700000001,{BADGES[0]}\n")
    sample = await desk.uploads.sample(upload)
    assert sample.sheet.titles == ("row", "problem", "=note", "customer_id", "badge")
    assert (await desk.check(upload)).customers == 1


async def test_a_header_of_several_lines_is_chosen_however_a_browser_writes_it(desk: Desk) -> None:
    upload = await desk.bring(f'"Member\nNo",badge\n700000001,{BADGES[0]}\n')
    upload = await desk.uploads.choose(
        upload, Choices(columns={"customer_id": "Member\r\nNo", "badge_meta_id": "badge"})
    )
    assert (await desk.check(upload)).customers == 1


async def test_one_header_is_not_taken_for_two_columns(desk: Desk) -> None:
    upload = await desk.bring(ODD)
    with pytest.raises(UsageError, match="chosen for customer_id and for badge_meta_id"):
        await desk.uploads.choose(upload, Choices(columns={"customer_id": "Award", "badge_meta_id": "Award"}))


async def test_a_title_that_is_none_is_not_remembered(desk: Desk) -> None:
    long = "m" * 3_000
    upload = await desk.bring(f"{long},badge\n700000001,{BADGES[0]}\n")
    upload = await desk.uploads.choose(
        upload, Choices(columns={"customer_id": long, "badge_meta_id": "badge"})
    )
    assert (await desk.check(upload)).customers == 1
    again = await desk.bring(f"{long},badge\n700000001,{BADGES[0]}\n")
    assert (await desk.uploads.sample(again)).missing == ("customer_id",)
