"""Batches in a real browser: followed live, decided, and clean on every page, with and without scripts."""

import pytest
from playwright.async_api import expect

from batch_issuer.acceptance import IssueOptions
from batch_issuer.accounts import Role
from batch_issuer.ledger.audit import Actor, Via
from batch_issuer.ledger.runs import Run
from batch_issuer.planning import MaxInvalid
from tests.browser.conftest import Enter
from tests.pipeline.world import World, customers
from tests.web.site import Site

UPLOAD = "00112233aabbccdd"


async def begin(site: Site, world: World, text: str, *, user: str = "mia") -> Run:
    """Confirm a file, as the last page of the way through does."""
    options = IssueOptions(
        check_badges=False,
        issued_by=user,
        upload=UPLOAD,
        file_name="may.csv",
        name="May badges",
        on_invalid="skip",
        max_invalid=MaxInvalid.parse("50%"),
    )
    path = world.write(text)
    by = Actor(user=user, via=Via.PAGE)
    return await site.console.runs.issue(UPLOAD, path, options, by=by)


async def issue(site: Site, world: World, text: str) -> str:
    run = await begin(site, world, text)
    await site.console.runs.wait(run.run)
    found = await site.console.runs.find(run.run)
    assert found is not None
    return found.batch


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_of_a_batch_is_clean(site: Site, enter: Enter, world: World, scheme: str) -> None:
    text = customers(9, badges=2) + customers(1).split("\n", 1)[1] + "x,y\n"
    batch = await issue(site, world, text)
    person = await enter(Role.MAKER, Role.CHECKER, user="tom", **_window(scheme))
    for path in (
        "/",
        "/?text=nobody",
        f"/batches/{batch}",
        f"/batches/{batch}/rows",
        f"/batches/{batch}/rows?text=nobody",
        f"/batches/{batch}/requests",
        f"/batches/{batch}/requests?state=waiting",
        "/approvals",
    ):
        await person.open(path)
        await person.inspect()


def _window(scheme: str) -> dict[str, object]:
    size = {"width": 390, "height": 844} if scheme == "dark" else {"width": 1200, "height": 800}
    return {"color_scheme": scheme, "viewport": size}


async def test_an_open_page_follows_a_run_and_a_decision_without_being_loaded_again(
    site: Site, enter: Enter, world: World
) -> None:
    world.overrides["concurrency"] = 1
    maker = await enter(Role.MAKER, user="mia")
    run = await begin(site, world, customers(60))
    await maker.open(f"/runs/{run.run}")
    await maker.page.wait_for_url("**/batches/*")
    await expect(maker.page.get_by_role("heading", name="Waits for approval")).to_be_visible()
    await maker.page.evaluate("window.isTheSamePage = true")
    await maker.inspect()
    checker = await enter(Role.CHECKER, user="eve")
    await checker.open("/approvals")
    await checker.page.get_by_label("Why").fill("seen")
    await checker.page.get_by_role("button", name="Approve all 20").click()
    await checker.page.wait_for_url("**/batches/*")
    await expect(maker.page.get_by_role("heading", name="Done", exact=True)).to_be_visible()
    await expect(maker.page.get_by_role("row", name="issued 60 100.0%")).to_be_visible()
    assert await maker.page.evaluate("window.isTheSamePage")
    await maker.inspect()


async def test_a_file_is_kept_and_not_shown(site: Site, enter: Enter, world: World) -> None:
    batch = await issue(site, world, customers(3))
    person = await enter(Role.VIEWER)
    await person.open(f"/batches/{batch}")
    for name in ("reconciliation.csv", "report.html"):
        async with person.page.expect_download() as loading:
            await person.page.get_by_role("link", name=name).click()
        assert (await loading.value).suggested_filename == f"{batch}-{name}"


async def test_the_pages_work_without_scripts(site: Site, enter: Enter, world: World) -> None:
    batch = await issue(site, world, customers(3))
    person = await enter(Role.CHECKER, user="eve", java_script_enabled=False)
    await person.open(f"/batches/{batch}")
    await expect(person.page.get_by_role("row", name="pending 3 100.0%")).to_be_visible()
    await person.open("/approvals")
    await person.page.get_by_label("Why").fill("no")
    await person.page.get_by_role("button", name="Reject the request").click()
    for run in await site.console.runs.list_open():
        await site.console.runs.wait(run.run)
    await person.open(f"/batches/{batch}")
    await expect(person.page.get_by_role("row", name="rejected 3 100.0%")).to_be_visible()
