"""Who may reach what: every route of the console, for every role, and for nobody."""

import re

import pytest

from batch_issuer.accounts import Role
from batch_issuer.ledger.audit import Action, Via, list_entries
from batch_issuer.web.app import ROUTES
from batch_issuer.web.routes import ANYONE, PUBLIC, Route
from batch_issuer.web.visitors import Visitor, is_csrf
from tests.web.site import Browser, Page, Site

GUARDED = [route for route in ROUTES if route.needs is not PUBLIC]
FORMS = [route for route in GUARDED if route.method != "GET" and not route.path.startswith("/api/")]
"""The API takes no cookie: no other site can have a browser send what it takes."""
FOR_ADMINS = {
    "GET /users",
    "POST /users",
    "GET /users/{user}",
    "POST /users/{user}/roles",
    "POST /users/{user}/password",
    "POST /users/{user}/disable",
    "POST /users/{user}/enable",
    "POST /users/{user}/sign-out",
    "POST /users/{user}/tokens/{token}/revoke",
    "GET /audit",
}


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


def address_of(route: Route) -> str:
    """Return an address of a route; what it names does not exist."""
    return re.sub(r"\{[^}]*\}", "none", route.path)


async def ask(browser: Browser, route: Route) -> Page:
    if route.method == "GET":
        return await browser.get(address_of(route), follow=False)
    token = browser.last.csrf if browser.last else ""
    return await browser.send(
        route.method, address_of(route), headers={"X-CSRF-Token": token}, data={"csrf": token}
    )


def test_what_is_for_admins_is_for_nobody_else() -> None:
    assert {name_of(route) for route in ROUTES if route.needs == {Role.ADMIN}} == FOR_ADMINS


@pytest.mark.parametrize("route", GUARDED, ids=name_of)
async def test_who_is_not_signed_in_reaches_nothing(site: Site, route: Route) -> None:
    await site.browser(Role.ADMIN)
    page = await ask(await site.browser(), route)
    systems = route.path.startswith(("/api/", "/metrics"))
    assert page.status == (401 if systems else 303)
    assert systems or page.to.startswith("/sign-in")


@pytest.mark.parametrize("role", list(Role))
async def test_a_role_opens_what_it_is_for_and_nothing_else(site: Site, role: Role) -> None:
    browser = await site.browser(role)
    closed = [route for route in GUARDED if role not in route.needs and not route.path.startswith("/api/")]
    for route in closed:
        page = await ask(browser, route)
        assert page.status == 403, name_of(route)
        assert "This needs the role" in page.text
    told = await site.console.records.read(list_entries, action=Action.ACCESS_REFUSED.value, limit=1_000)
    assert len(told) == len(closed)
    for route in GUARDED:
        if role in route.needs and route.method == "GET" and route.needs != ANYONE and "{" not in route.path:
            assert (await ask(browser, route)).status != 403, name_of(route)


@pytest.mark.parametrize("route", FORMS, ids=name_of)
async def test_a_form_without_the_token_of_the_session_does_nothing(site: Site, route: Route) -> None:
    browser, other = await site.browser(*Role), await site.browser(Role.ADMIN)
    tokens = ["", "0" * 64, other.last.csrf if other.last else "", "\u00ff"]
    for token in tokens:
        headers = {"X-CSRF-Token": token} if token else {}
        page = await browser.send(route.method, address_of(route), headers=headers, data={"csrf": token})
        assert page.status == 403, token
        assert "was not sent from a page of the console" in page.text
    told = await site.console.records.read(list_entries, action=Action.REQUEST_REFUSED.value)
    assert len(told) == len(tokens)
    assert (await browser.get("/", follow=False)).status == 200


def test_a_token_of_bytes_that_are_no_text_is_only_wrong() -> None:
    visitor = Visitor(user="mara", roles=frozenset(), via=Via.PAGE, address="", csrf="0" * 64)
    assert not is_csrf(visitor, "\udcff")
    assert not is_csrf(Visitor(user="", roles=frozenset(), via=Via.API, address=""), "")
    assert is_csrf(visitor, "0" * 64)
