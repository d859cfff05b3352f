"""Uploads, corrected cells and remembered headers, on every database that can hold a ledger."""

from sqlalchemy import Connection, insert, update

from batch_issuer.ledger import Ledger, tables
from batch_issuer.ledger.uploads import (
    Correction,
    Upload,
    corrections_of,
    count_corrections,
    delete_correction,
    delete_upload,
    find_checked,
    find_upload,
    insert_upload,
    is_worked_on,
    known_uploads,
    open_uploads_of,
    put_correction,
    recall_columns,
    remember_columns,
    store_checked,
    update_options,
    uploads_before,
)

AT = "2026-03-02T04:45:00Z"


def make_upload(
    upload: str = "a" * 16, *, user: str = "maria", created_at: str = AT, batch: str = ""
) -> Upload:
    return Upload(
        upload=upload,
        user=user,
        file_name="Frühling '26; DROP TABLE uploads.csv",
        kind="csv",
        size=3_000_000_000,
        sha256="ab" * 32,
        created_at=created_at,
        options={"mapped": {"member": "customer_id"}},
        batch=batch,
    )


def begin_run(connection: Connection, upload: str) -> None:
    facts = {"run": f"run of {upload}", "upload": upload, "ended_at": "", "occupies": f"upload {upload}"}
    connection.execute(insert(tables.runs), [facts])


def end_runs(connection: Connection) -> None:
    connection.execute(update(tables.runs).values(ended_at=AT, occupies=None))


async def test_an_upload_is_found_as_it_was_recorded(ledger: Ledger) -> None:
    upload = make_upload()
    await ledger.write(insert_upload, upload)
    assert await ledger.read(find_upload, upload.upload) == upload
    assert await ledger.read(find_upload, "b" * 16) is None
    assert await ledger.read(known_uploads) == {upload.upload}


async def test_what_was_chosen_and_found_is_kept(ledger: Ledger) -> None:
    upload = make_upload()
    await ledger.write(insert_upload, upload)
    assert await ledger.read(find_checked, upload.upload) is None
    await ledger.write(update_options, upload.upload, {"name": "Frühling"})
    await ledger.write(store_checked, upload.upload, {"rows": 3, "rules": []})
    found = await ledger.read(find_upload, upload.upload)
    assert found is not None
    assert found.options == {"name": "Frühling"}
    assert await ledger.read(find_checked, upload.upload) == {"rows": 3, "rules": []}


async def test_only_what_a_user_has_not_issued_yet_is_listed_the_latest_first(ledger: Ledger) -> None:
    for upload in (
        make_upload("1" * 16),
        make_upload("2" * 16, created_at="2026-03-03T04:45:00Z"),
        make_upload("3" * 16, user="somebody"),
        make_upload("4" * 16, batch="20260302-044500-abcdef"),
    ):
        await ledger.write(insert_upload, upload)
    listed = await ledger.read(open_uploads_of, "maria")
    assert [one.upload[0] for one in listed] == ["2", "1"]


async def test_what_a_run_works_on_is_not_removed(ledger: Ledger) -> None:
    upload = make_upload()
    await ledger.write(insert_upload, upload)
    await ledger.write(begin_run, upload.upload)
    assert await ledger.read(is_worked_on, upload.upload)
    assert await ledger.read(uploads_before, "2027-01-01T00:00:00Z") == []
    assert not await ledger.write(delete_upload, upload.upload)
    await ledger.write(end_runs)
    assert not await ledger.read(is_worked_on, upload.upload)
    assert await ledger.read(uploads_before, "2027-01-01T00:00:00Z") == [upload.upload]
    assert await ledger.read(uploads_before, AT) == []
    assert await ledger.write(delete_upload, upload.upload)
    assert await ledger.read(find_upload, upload.upload) is None


async def test_the_latest_value_of_a_cell_counts_and_goes_with_its_upload(ledger: Ledger) -> None:
    upload = make_upload()
    await ledger.write(insert_upload, upload)
    last = 4_294_967_295
    for row, position, value in ((7, 1, "x"), (last, 0, "'=1\n"), (7, 0, "first"), (7, 0, "second")):
        correction = Correction(row=row, position=position, value=value)
        await ledger.write(put_correction, upload.upload, correction, AT)
    found = await ledger.read(corrections_of, upload.upload)
    assert [(one.row, one.position, one.value) for one in found] == [
        *((7, 0, "second"), (7, 1, "x"), (last, 0, "'=1\n")),
    ]
    assert len(await ledger.read(corrections_of, upload.upload, [7])) == 2
    await ledger.write(delete_correction, upload.upload, row=7, position=1)
    assert await ledger.read(count_corrections, upload.upload) == 2
    await ledger.write(delete_upload, upload.upload)
    assert await ledger.read(count_corrections, upload.upload) == 0


async def test_headers_are_remembered_until_they_mean_something_else(ledger: Ledger) -> None:
    await ledger.write(
        remember_columns, {"member": "customer_id", "award": "badge_meta_id"}, user="maria", at=AT
    )
    await ledger.write(remember_columns, {"member": "reference_id", "award": ""}, user="tom", at=AT)
    assert await ledger.read(recall_columns, ["member", "award", "other"]) == {"member": "reference_id"}
    assert await ledger.read(recall_columns, []) == {}
