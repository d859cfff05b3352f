"""A file that is brought is on the disk before it is an upload; what is no spreadsheet leaves nothing."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from batch_issuer.errors import InputRefused
from batch_issuer.uploads.names import clean_name
from tests.intake.workbooks import save
from tests.pipeline.world import BADGES, World, customers, open_world
from tests.uploads.conftest import USER, Desk, desk_at


async def test_a_file_comes_in_parts_and_lies_there_byte_by_byte(desk: Desk) -> None:
    text = customers(5_000)
    upload = await desk.bring(text)
    file, options = await desk.uploads.to_issue(upload)
    assert file.read_bytes() == text.encode()
    assert (upload.size, upload.kind, options.file_name) == (len(text), "csv", "customers.csv")
    assert [one.upload for one in await desk.uploads.list_open(USER)] == [upload.upload]


async def test_the_content_tells_the_kind_and_the_name_does_not(desk: Desk, tmp_path: Path) -> None:
    book = save(tmp_path / "x.xlsx", [["customer_id", "badge_meta_id"], ["700000001", BADGES[0]]])
    upload = await desk.bring(book, name="customers.csv")
    assert upload.kind == "xlsx"
    assert (await desk.uploads.to_issue(upload))[0].name == "upload.xlsx"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\maria\\spring list.xlsx", "spring list.xlsx"),
        ("a\r\nSet-Cookie: x.csv", "aSet-Cookie: x.csv"),
        ("list\u202efdp.csv", "listfdp.csv"),
        ("..", ".."),
        ("", "a file without a name"),
        ("/", "a file without a name"),
        ("x" * 300, "x" * 200),
    ],
)
def test_a_file_name_is_only_something_to_show(given: str, kept: str) -> None:
    assert clean_name(given) == kept


async def test_a_name_never_becomes_part_of_a_path(desk: Desk) -> None:
    upload = await desk.bring(customers(1), name="../../../escape.csv")
    assert desk.folders() == [upload.upload]
    assert not list(desk.world.folder.rglob("escape.csv"))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"%PDF-1.7 ...", "is a PDF"),
        (b"\xd0\xcf\x11\xe0 old", "old Excel workbook"),
        (b"PK\x03\x04 no zip", "no Excel workbook"),
        (b"\n\ncustomer_id,badge_meta_id\n", "row 1 is empty"),
        (b"c\x00u\x00s\x00t\x00", "no text file"),
    ],
)
async def test_what_is_no_spreadsheet_is_refused_and_leaves_nothing(
    desk: Desk, content: bytes, told: str
) -> None:
    with pytest.raises(InputRefused, match=told):
        await desk.bring(content)
    assert desk.folders() == []
    assert await desk.uploads.list_open(USER) == []


async def test_a_file_above_the_limit_is_refused_before_all_of_it_came(tmp_path: Path) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"7" * 100_000

    async with open_world(tmp_path, max_file_bytes=1_000_000) as world, desk_at(world) as desk:
        with pytest.raises(InputRefused, match="larger than 1,000,000 bytes"):
            await desk.uploads.receive(endless(), file_name="large.csv", user=USER)
        assert desk.folders() == []
    assert taken < 30


async def test_a_connection_that_breaks_leaves_nothing(desk: Desk) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield customers(100).encode()
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await desk.uploads.receive(broken(), file_name="half.csv", user=USER)
    assert desk.folders() == []


async def test_an_upload_that_is_cancelled_leaves_nothing(desk: Desk) -> None:
    began = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"customer_id"
        began.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(desk.uploads.receive(slow(), file_name="slow.csv", user=USER))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert desk.folders() == []


async def test_cells_pasted_from_a_spreadsheet_are_an_upload(desk: Desk) -> None:
    upload = await desk.uploads.paste(f"customer_id\tbadge_meta_id\r\n700000001\t{BADGES[0]}\r\n", user=USER)
    checked = await desk.check(upload)
    assert (checked.rows, checked.customers) == (1, 1)
    with pytest.raises(InputRefused, match="nothing was pasted"):
        await desk.uploads.paste(" \n", user=USER)


async def test_an_upload_is_nobody_elses(desk: Desk) -> None:
    upload = await desk.bring(customers(1))
    assert await desk.uploads.find(upload.upload, user="somebody.else") is None
    assert await desk.uploads.list_open("somebody.else") == []
    for wrong in ("../ledger.db", upload.upload.upper() + "A", "", "0" * 16):
        assert await desk.uploads.find(wrong, user=USER) is None


async def test_a_removed_upload_leaves_nothing(desk: Desk) -> None:
    upload = await desk.bring(customers(1))
    assert await desk.uploads.remove(upload.upload)
    assert desk.folders() == []
    assert await desk.uploads.find(upload.upload, user=USER) is None
    assert not await desk.uploads.remove(upload.upload)


async def test_old_uploads_are_removed_and_young_ones_stay(desk: Desk) -> None:
    await desk.bring(customers(1), name="old.csv")
    desk.world.time.instant += timedelta(days=8)
    young = await desk.bring(customers(2), name="young.csv")
    assert [one.upload for one in await desk.uploads.list_open(USER)] == [young.upload]
    assert desk.folders() == [young.upload]


async def test_uploads_outlive_the_server(world: World) -> None:
    async with desk_at(world) as desk:
        upload = await desk.bring(customers(3))
        await desk.check(upload)
    async with desk_at(world) as desk:
        found = await desk.again(upload)
        checked = await desk.uploads.checked(found)
    assert checked is not None
    assert checked.customers == 3
    assert not checked.is_stale
