"""Addresses that name what can't be: there is no such thing, on each of the databases."""

import logging

import pytest

from batch_issuer.accounts import Role
from tests.pipeline.world import OpenHere
from tests.web.site import HAND, open_site


async def test_a_name_that_no_database_holds_is_one_of_nothing(
    open_here: OpenHere, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_here() as world, open_site(world.settings(), world.time.clock()) as site:
        browser = await site.browser(Role.MAKER, Role.CHECKER, Role.ADMIN, user="mara")
        _, token = await site.console.accounts.make_token("mara", "a shop", 7, by=HAND)
        bearer = {"Authorization": f"Bearer {token.get_secret_value()}"}
        for path in ("/api/batches/%00/resume", "/api/batches/%00/refresh"):
            assert (await browser.send("POST", path, headers=bearer)).status == 404, path
        for path in (
            "/account/tokens/%00/revoke",
            "/users/mara/tokens/%00/revoke",
            "/users/%00/disable",
            "/batches/%00/resume",
            "/uploads/%00/remove",
        ):
            assert (await browser.post(path)).status == 404, path
        await browser.get("/uploads")
        brought = await browser.post("/uploads/pasted", {"cells": "customer_id\n700000001\n"})
        cells = brought.to.replace("/columns", "/cells")
        undo = {"undo": "yes", "row": "4294967295", "position": "4294967295"}
        assert (await browser.post(cells, undo)).status == 303
        for path in ("/?text=%00&user=%00", "/audit?user=%00&about=%00&before=9999999999"):
            assert (await browser.get(path)).status == 200, path
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
