"""Users who sign in at a trusted proxy: its header is believed from nowhere else."""

from collections.abc import AsyncIterator

import pytest

from batch_issuer.accounts import Role
from batch_issuer.errors import UsageError
from batch_issuer.ledger.audit import Action, Via, list_entries
from batch_issuer.web.serving import refuse_open_doors
from tests.pipeline.world import World
from tests.web.site import HAND, Site, open_site

AS_MARA = {"X-Forwarded-User": "mara"}
HERE, ELSEWHERE = "127.0.0.1", "192.0.2.1 198.51.100.0/24"


@pytest.fixture
async def behind(world: World) -> AsyncIterator[Site]:
    """Open a console whose trusted proxy is on this machine, with a user who signs in there."""
    changes = {"console_user_header": "X-Forwarded-User", "console_proxies": HERE}
    settings = world.settings().model_copy(update=changes)
    async with open_site(settings, world.time.clock()) as site:
        await site.console.accounts.add("mara", [Role.MAKER], None, by=HAND)
        yield site


async def test_whom_the_trusted_proxy_names_is_signed_in(behind: Site) -> None:
    browser = await behind.browser()
    page = await browser.get("/account", headers=AS_MARA, follow=False)
    assert page.status == 200
    assert "mara" in page.words
    assert "Sign out" not in page.words
    assert "Present password" not in page.words


async def test_without_the_header_one_signs_in_as_elsewhere(behind: Site) -> None:
    browser = await behind.browser()
    assert (await browser.get("/", follow=False)).status == 303
    await (await behind.browser(Role.VIEWER, user="lee")).get("/")


async def test_the_header_is_refused_from_anywhere_else_and_that_is_noted(world: World) -> None:
    changes = {"console_user_header": "X-Forwarded-User", "console_proxies": ELSEWHERE}
    settings = world.settings().model_copy(update=changes)
    async with open_site(settings, world.time.clock()) as site:
        await site.console.accounts.add("mara", [Role.ADMIN], None, by=HAND)
        browser = await site.browser()
        for headers in (AS_MARA, {**AS_MARA, "X-Forwarded-For": "192.0.2.1"}):
            for path in ("/", "/users", "/sign-in"):
                assert (await browser.get(path, headers=headers, follow=False)).status == 403
        (first, *_) = await site.console.records.read(list_entries, action=Action.ACCESS_REFUSED.value)
    assert (first.user, first.address) == ("", "127.0.0.1")
    assert first.detail == {"why": "a user header from no trusted proxy"}


async def test_without_the_setting_such_a_header_means_nothing(site: Site) -> None:
    await site.console.accounts.add("mara", [Role.ADMIN], None, by=HAND)
    browser = await site.browser()
    assert (await browser.get("/", headers=AS_MARA, follow=False)).to == "/sign-in"


@pytest.mark.parametrize("name", ["nobody", "", " ", "MARA@evil", "<b>", "\u00ff"])
async def test_who_has_no_account_here_is_told_so(behind: Site, name: str) -> None:
    browser = await behind.browser()
    page = await browser.get("/", headers={"X-Forwarded-User": name}, follow=False)
    assert page.status == (403 if name.strip() else 303)


async def test_a_disabled_user_is_refused_though_the_proxy_lets_them_in(behind: Site) -> None:
    await behind.console.accounts.disable("mara", by=HAND)
    browser = await behind.browser()
    assert (await browser.get("/", headers=AS_MARA, follow=False)).status == 403


async def test_two_names_are_no_name(behind: Site) -> None:
    await behind.console.accounts.add("ada", [Role.ADMIN], None, by=HAND)
    browser = await behind.browser()
    headers = [("X-Forwarded-User", "ada"), ("X-Forwarded-User", "mara")]
    answer = await browser.http.get(f"{behind.url}/", headers=headers, allow_redirects=False)
    assert answer.status == 403


async def test_its_users_forms_are_guarded_too_and_their_actions_told(behind: Site) -> None:
    browser = await behind.browser()
    await browser.get("/account", headers=AS_MARA)
    fields = {"purpose": "the shop", "days": "30"}
    assert (await browser.post("/account/tokens", fields, csrf="", headers=AS_MARA)).status == 403
    assert (await browser.post("/account/tokens", fields, headers=AS_MARA)).status == 200
    entries = await behind.console.records.read(list_entries, user="mara")
    assert [(entry.action, entry.via) for entry in entries] == [
        (Action.TOKEN_MADE, Via.PROXY),
        (Action.REQUEST_REFUSED, Via.PROXY),
    ]


async def test_a_proxy_may_keep_the_authorization_header_for_itself(behind: Site) -> None:
    browser = await behind.browser()
    headers = {**AS_MARA, "Authorization": "Basic bWFyYTpzZWNyZXQ="}
    assert (await browser.get("/", headers=headers, follow=False)).status == 200


async def test_the_visitors_address_is_the_last_that_no_proxy_added(behind: Site) -> None:
    browser = await behind.browser()
    forwarded = {"X-Forwarded-For": "203.0.113.9, 198.51.100.7, 127.0.0.1"}
    await browser.send("POST", "/sign-in", headers=forwarded, data={"user": "mara", "password": "wrong"})
    (entry,) = await behind.console.records.read(list_entries, action=Action.SIGN_IN_REFUSED.value)
    assert entry.address == "198.51.100.7"


async def test_a_header_without_a_proxy_to_believe_does_not_start(world: World) -> None:
    settings = world.settings().model_copy(update={"console_user_header": "X-Forwarded-User"})
    async with open_site(settings, world.time.clock()) as site:
        with pytest.raises(UsageError, match="anybody could say they are somebody else"):
            await refuse_open_doors(site.console)
