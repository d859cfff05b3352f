"""Who gets in, and what every answer carries."""

from dataclasses import replace

import pytest
from pydantic import SecretStr

from batch_issuer.accounts import Role
from batch_issuer.clock import Clock
from batch_issuer.errors import UsageError
from batch_issuer.web.app import ROUTES
from batch_issuer.web.routes import PUBLIC
from batch_issuer.web.serving import refuse_open_doors
from tests.pipeline.world import World
from tests.web.site import HAND, PASSWORD, Site, open_site

OPEN_TO_ALL = {
    "/static/{name:.+}",
    "/health/live",
    "/health/ready",
    "/sign-in",
    "/welcome",
    "/api/openapi.json",
}


def test_only_what_shows_nothing_of_a_batch_is_open_to_everybody() -> None:
    assert {route.path for route in ROUTES if route.needs is PUBLIC} == OPEN_TO_ALL


async def test_who_is_not_signed_in_is_asked_to_and_comes_back_to_the_page(site: Site) -> None:
    await site.console.accounts.add("mara", frozenset({Role.MAKER}), SecretStr(PASSWORD), by=HAND)
    browser = await site.browser()
    asked = await browser.get("/?page=2", follow=False)
    assert (asked.status, asked.to) == (303, "/sign-in?next=%2F%3Fpage%3D2")
    back = await browser.post(asked.to, {"user": "mara", "password": PASSWORD})
    assert (back.status, back.to) == (303, "/?page=2")


@pytest.mark.parametrize("elsewhere", ["//evil.example", "https://evil.example", "/\\evil.example", "/\t/x"])
async def test_signing_in_never_leads_to_another_site(site: Site, elsewhere: str) -> None:
    await site.console.accounts.add("mara", frozenset({Role.MAKER}), SecretStr(PASSWORD), by=HAND)
    browser = await site.browser()
    form = {"user": "mara", "password": PASSWORD}
    answer = await browser.http.post(
        f"{site.url}/sign-in", params={"next": elsewhere}, data=form, allow_redirects=False
    )
    assert answer.headers["Location"] == "/"


async def test_every_answer_carries_the_headers_that_guard_it(site: Site) -> None:
    browser = await site.browser(Role.VIEWER)
    for path in ("/", "/sign-in", "/no-such-page", "/health/live", "/static/console.css", "/metrics"):
        page = await browser.get(path)
        assert page.headers["X-Content-Type-Options"] == "nosniff", path
        assert "unsafe" not in page.headers["Content-Security-Policy"]
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self';")
        assert "Server" not in page.headers
    assert (await browser.get("/")).headers["Cache-Control"] == "no-store"


async def test_a_name_that_is_not_ours_is_refused(site: Site) -> None:
    browser = await site.browser(Role.VIEWER)
    page = await browser.get("/", headers={"Host": "evil.example"})
    assert page.status == 421
    assert page.text.startswith("This console is not known under that name")


async def test_a_form_that_another_site_sends_does_nothing(site: Site) -> None:
    browser = await site.browser(Role.MAKER)
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        page = await browser.post("/sign-out", headers=headers)
        assert page.status == 403
    assert (await browser.post("/sign-out", csrf="0" * 64)).status == 403
    assert (await browser.post("/sign-out", csrf="")).status == 403
    assert (await browser.get("/", follow=False)).status == 200


async def test_whoever_watches_the_console_may_ask_for_the_head_alone(site: Site) -> None:
    browser = await site.browser()
    for path in ("/health/live", "/health/ready", "/sign-in"):
        page = await browser.send("HEAD", path)
        assert (page.status, page.text) in {(200, ""), (303, "")}, path


async def test_static_files_are_known_by_name_alone(site: Site) -> None:
    browser = await site.browser()
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/static/vendor"):
        assert (await browser.get(path)).status == 404, path


async def test_the_console_does_not_listen_beyond_this_machine_without_accounts(world: World) -> None:
    settings = world.settings().model_copy(update={"console_host": "0.0.0.0"})  # noqa: S104 - it must refuse
    async with open_site(world.settings(), Clock()) as site:
        console = replace(site.console, settings=settings)
        with pytest.raises(UsageError, match=r"no account yet.*CONSOLE_URL"):
            await refuse_open_doors(console)
