"""The files of a batch, as a spreadsheet, a program and a browser meet them."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import delete, select

from batch_issuer.acceptance import input_options
from batch_issuer.assembly import Services
from batch_issuer.intake import open_source
from batch_issuer.ledger import tables
from batch_issuer.reports.files import CsvFile, protect, replaced_whole
from batch_issuer.reports.originals import Originals
from batch_issuer.sandbox import Scenario
from tests.pipeline.world import BADGES, customers, open_world, outcomes, read_csv, reconciliation

HOSTILE = ("=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\tx", "\rx")


@pytest.mark.parametrize("cell", HOSTILE)
def test_a_cell_that_a_spreadsheet_would_run_is_protected(cell: str) -> None:
    assert protect(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "a=b", "700000001", "'quoted"])
def test_other_cells_stay_as_they_are(cell: str) -> None:
    assert protect(cell) == cell


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError), replaced_whole(path) as file:
        file.write("new, but only half: \ud800")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.csv"]


def test_csv_files_have_a_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    file = CsvFile(tmp_path / "file.csv", lambda: ["a", "b"])
    with file.open(always=True) as write:
        write([["1", 'say "hi", she said'], ["ü", "two\nlines"]])
    content = (tmp_path / "file.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbfa,b\r\n1,")
    assert content.endswith(b"\r\n")
    read = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))
    assert read == [["a", "b"], ["1", 'say "hi", she said'], ["ü", "two\nlines"]]


def test_a_file_that_would_be_empty_is_removed(tmp_path: Path) -> None:
    (tmp_path / "file.csv").write_text("of an earlier run")
    with CsvFile(tmp_path / "file.csv", lambda: ["a"]).open(always=False):
        pass
    assert list(tmp_path.iterdir()) == []


async def test_rejected_rows_come_back_as_they_were_and_corrected_they_can_be_issued(tmp_path: Path) -> None:
    text = f'Customer ID,note,Badge ID\n12.5,"=1+1, ""x""",{BADGES[0]}\nabc,plain,{BADGES[0]},surplus\n'
    async with open_world(tmp_path) as world:
        summary = await world.issue(world.write(text))
        rejects = (summary.folder / "rejects.csv").read_text("utf-8-sig")
        header, first, second = csv.reader(io.StringIO(rejects, newline=""))
        assert header == ["row", "problem", "Customer ID", "note", "Badge ID"]
        assert (first[0], first[2:]) == ("2", ["12.5", '\'=1+1, "x"', BADGES[0]])
        assert (second[0], second[2:]) == ("3", ["abc", "plain", BADGES[0], "surplus"])

        corrected = rejects.replace("12.5", "'125").replace("abc", "126").replace(",surplus", "")
        again = await world.issue(world.write(corrected, "rejects.csv"))
    assert outcomes(again) == {"pending": 2}
    assert [line["customer_id"] for line in reconciliation(again)] == ["125", "126"]


async def test_rejects_of_rejects_do_not_pile_up_columns_or_quotes(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        file = world.write(f"customer_id,badge_meta_id,note\n-5,{BADGES[0]},@home\n")
        first = await world.issue(file)
        second = await world.issue(first.folder / "rejects.csv")
    assert (first.folder / "rejects.csv").read_bytes() != b""
    one, two = (read_csv(s.folder / "rejects.csv")[0] for s in (first, second))
    assert one == two
    assert one["customer_id"] == "'-5"
    assert reconciliation(second)[0]["customer_id"] == "'-5"


async def test_a_column_named_row_of_the_users_own_survives(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        file = world.write(f"row,customer_id,badge_meta_id,note\nA1,x,{BADGES[0]},'=kept\n")
        first = await world.issue(file)
        second = await world.issue(first.folder / "rejects.csv")
    header, line = csv.reader((first.folder / "rejects.csv").read_text("utf-8-sig").splitlines())
    assert header == ["row", "problem", "row", "customer_id", "badge_meta_id", "note"]
    assert line[2:] == ["A1", "x", BADGES[0], "''=kept"]
    assert (second.folder / "rejects.csv").read_bytes() == (first.folder / "rejects.csv").read_bytes()


async def test_failed_rows_carry_their_reason_and_can_be_read_again(tmp_path: Path) -> None:
    async with open_world(tmp_path, Scenario(decide_after_seconds=1, reject_share=1)) as world:
        summary = await world.issue(world.write(customers(2)), wait=60)
    lines = read_csv(summary.folder / "failed.csv")
    assert [(ln["row"], ln["customer_id"]) for ln in lines] == [("2", "700000001"), ("3", "700000002")]
    assert lines[0]["problem"].startswith("rejected")


async def test_files_that_no_longer_apply_are_removed(tmp_path: Path) -> None:
    async with open_world(tmp_path, chunk_size=2) as world:
        world.sandbox.will_drop_the_connection(after_accepting=True)
        summary = await world.issue(world.write(customers(2)))
        (summary.folder / "failed.csv").write_text("left over")
        await world.refresh()
    assert not (summary.folder / "failed.csv").exists()
    assert not (summary.folder / "rejects.csv").exists()


async def test_requests_are_listed_with_the_servers_state(tmp_path: Path) -> None:
    async with open_world(tmp_path, Scenario(decide_after_seconds=0)) as world:
        file = world.write(customers(4))
        summary = await world.issue(file)
    first, second = read_csv(summary.folder / "requests.csv")
    assert (first["state"], first["customers"], first["http_status"]) == ("approved", "3", "200")
    assert (second["customers"], second["attempts"]) == ("1", "1")
    assert first["submitted_at"] == "2026-03-02T10:15:00Z"


async def test_the_page_is_self_contained_and_escapes_what_it_echoes(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    async with open_world(tmp_path) as world:
        file = world.write(f'customer_id,badge_meta_id\n"{hostile}",{BADGES[0]}\n1,{BADGES[0]}\n')
        summary = await world.issue(file, name="<b>Spring</b>")
    page = (summary.folder / "report.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "&lt;b&gt;Spring" in page
    assert not any(mark in page for mark in ("src=", "href=", "@import", "url("))
    assert "is not a whole number" in page


async def test_a_folder_that_can_not_be_written_loses_nothing(tmp_path: Path) -> None:
    async with open_world(tmp_path, Scenario(decide_after_seconds=0)) as world:
        summary = await world.issue(world.write(customers(2)))
        blocked = summary.folder / "reconciliation.csv"
        blocked.unlink()
        blocked.mkdir()
        (blocked / "in the way").touch()
        with pytest.raises(Exception, match="nothing is lost"):
            await world.refresh()
        (blocked / "in the way").unlink()
        blocked.rmdir()
        assert outcomes(await world.refresh()) == {"issued": 2}


async def test_a_row_that_the_ledger_has_lost_stops_the_report_and_leaves_the_earlier_one(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as world:
        summary = await world.issue(world.write(customers(9)))
        before = (summary.folder / "reconciliation.csv").read_bytes()

        async def lose(services: Services) -> None:
            rows = tables.request_rows
            first = select(rows.c.request_id).limit(1).scalar_subquery()
            await services.ledger.write(lambda c: c.execute(delete(rows).where(rows.c.request_id == first)))

        await world.run(lose)
        with pytest.raises(AssertionError, match="the input has 9 rows, but the ledger knows of"):
            await world.refresh()
    assert (summary.folder / "reconciliation.csv").read_bytes() == before


async def test_a_row_that_is_not_in_the_input_stops_the_report(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        file = world.write(customers(2))
        options = input_options(world.settings().public())
        originals = Originals(open_source(file, options))
        assert [read.rows.tolist() for read in originals.take(np.array([3], dtype=np.uint32))] == [[3]]
        with pytest.raises(AssertionError, match="row 4 is in the ledger, but not in the input"):
            list(originals.take(np.array([4], dtype=np.uint32)))
