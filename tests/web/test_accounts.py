"""Signing in, one's own account, and the pages of admins, as browsers meet them."""

import asyncio
import re
from collections.abc import Sequence

import pytest
from pydantic import SecretStr

from batch_issuer.accounts import Role
from batch_issuer.ledger.audit import Action, Entry, append, list_entries
from batch_issuer.web.patience import Patience
from tests.pipeline.world import World
from tests.web.site import HAND, PASSWORD, Browser, Page, Site, open_site

NEW = "another walk in the hills"


async def audit(site: Site) -> Sequence[Entry]:
    """Return the audit log, the oldest entry first."""
    return (await site.console.records.read(list_entries, limit=1_000))[::-1]


async def add(site: Site, user: str, *roles: Role) -> None:
    await site.console.accounts.add(user, roles or [Role.MAKER], SecretStr(PASSWORD), by=HAND)


def cookie_of(browser: Browser) -> str:
    return {cookie.key: cookie.value for cookie in browser.http.cookie_jar}.get("batch_issuer", "")


def is_signed_out(page: Page) -> bool:
    return page.status == 303 and page.to.startswith("/sign-in")


async def test_a_wrong_password_says_the_same_as_a_name_that_nobody_has(site: Site) -> None:
    await add(site, "mara")
    pages = []
    for name in ("mara", "nobody", "mara' or 1=1"):
        browser = await site.browser()
        page = await browser.post("/sign-in", {"user": name, "password": "wrong"})
        assert page.status == 401
        assert "The user or the password is wrong." in page.words
        assert cookie_of(browser) == ""
        pages.append(page.words.replace(name, ""))
    assert len(set(pages)) == 1


async def test_what_was_typed_as_the_name_comes_back_as_text_and_the_password_never(site: Site) -> None:
    browser = await site.browser()
    page = await browser.post("/sign-in", {"user": '"><script>x</script>', "password": "my-secret-words"})
    assert 'value="&#34;&gt;&lt;script&gt;x&lt;/script&gt;"' in page.text
    assert "<script>x" not in page.text
    assert "my-secret-words" not in page.text


async def test_after_five_wrong_passwords_even_the_right_one_has_to_wait(site: Site, world: World) -> None:
    await add(site, "mara")
    await add(site, "lee", Role.ADMIN)
    browser = await site.browser()
    for _ in range(4):
        assert (await browser.post("/sign-in", {"user": "mara", "password": "wrong"})).status == 401
    for password in ("wrong", PASSWORD, PASSWORD):
        page = await browser.post("/sign-in", {"user": "mara", "password": password})
        assert page.status == 429
        assert "too many wrong tries. Wait 15 minutes" in page.words
    refused = [entry for entry in await audit(site) if entry.action is Action.SIGN_IN_REFUSED]
    assert [(entry.about, entry.address) for entry in refused] == [("mara", "127.0.0.1")] * 5
    world.time.instant = world.time.instant.replace(minute=world.time.instant.minute + 14)
    assert "Wait 1 minute;" in (await browser.post("/sign-in", {"user": "mara", "password": "x"})).words
    assert (await browser.post("/sign-in", {"user": "lee", "password": PASSWORD})).status == 303


async def test_a_cookie_that_was_planted_before_signing_in_is_not_the_one_after(site: Site) -> None:
    await add(site, "mara")
    attacker, victim = await site.browser(), await site.browser()
    planted = "a" * 43
    for browser in (attacker, victim):
        browser.http.cookie_jar.update_cookies({"batch_issuer": planted})
    await victim.get("/sign-in")
    await victim.post("/sign-in", {"user": "mara", "password": PASSWORD})
    assert cookie_of(victim) not in {"", planted}
    assert (await victim.get("/", follow=False)).status == 200
    assert is_signed_out(await attacker.get("/", follow=False))


async def test_signing_in_once_more_ends_the_session_before(site: Site) -> None:
    browser, thief = await site.browser(Role.MAKER, user="mara"), await site.browser()
    thief.http.cookie_jar.update_cookies({"batch_issuer": cookie_of(browser)})
    assert (await thief.get("/", follow=False)).status == 200
    await browser.post("/sign-in", {"user": "mara", "password": PASSWORD})
    assert is_signed_out(await thief.get("/", follow=False))
    assert (await browser.get("/", follow=False)).status == 200


async def test_no_script_can_read_the_cookie_and_no_other_site_send_it(site: Site) -> None:
    await add(site, "mara")
    browser = await site.browser()
    page = await browser.post("/sign-in", {"user": "mara", "password": PASSWORD})
    name, *flags = page.headers["Set-Cookie"].split("; ")
    assert name.startswith("batch_issuer=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(flags)
    assert "Secure" not in flags
    assert not any(flag.startswith(("Domain", "Max-Age", "Expires")) for flag in flags)


async def test_under_an_https_address_the_cookie_is_for_https_and_this_host_alone(world: World) -> None:
    settings = world.settings().model_copy(update={"console_url": "https://badges.example.com"})
    async with open_site(settings, world.time.clock()) as site:
        await add(site, "mara")
        browser = await site.browser()
        page = await browser.post("/sign-in", {"user": "mara", "password": PASSWORD})
        name, *flags = page.headers["Set-Cookie"].split("; ")
        assert name.startswith("__Host-batch_issuer=")
        assert {"HttpOnly", "SameSite=Lax", "Path=/", "Secure"} <= set(flags)
        assert page.headers["Strict-Transport-Security"] == "max-age=31536000"


async def test_signing_out_ends_the_session_also_for_who_copied_the_cookie(site: Site) -> None:
    browser = await site.browser(Role.VIEWER)
    copied = cookie_of(browser)
    assert (await browser.post("/sign-out")).to == "/sign-in"
    assert cookie_of(browser) == ""
    browser.http.cookie_jar.update_cookies({"batch_issuer": copied})
    assert is_signed_out(await browser.get("/", follow=False))


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"user=" + b"x" * 70_000, 413),
        ({"Content-Type": "application/json"}, b'{"user": "mara"}', 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x--", 415),
    ],
)
async def test_strangers_can_send_nothing_but_the_short_form(
    site: Site, headers: dict[str, str], body: bytes, status: int
) -> None:
    browser = await site.browser()
    assert (await browser.send("POST", "/sign-in", headers=headers, data=body)).status == status


async def test_a_form_that_comes_byte_by_byte_is_not_waited_for(world: World) -> None:
    patience = Patience(seconds=0.1)
    async with open_site(world.settings(), world.time.clock(), patience=patience) as site:
        host, _, port = site.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        kind = "Content-Type: application/x-www-form-urlencoded"
        head = f"POST /sign-in HTTP/1.1\r\nHost: {host}:{port}\r\n{kind}\r\nContent-Length: 100\r\n\r\n"
        writer.write(head.encode() + b"user=m")
        assert (await asyncio.wait_for(reader.readline(), 20)).startswith(b"HTTP/1.1 408 ")
        writer.close()
        await writer.wait_closed()


async def test_the_first_account_is_for_who_reads_the_terminal(site: Site) -> None:
    browser = await site.browser()
    assert (await browser.get("/")).path == "/welcome"
    form = {"user": "mara", "password": PASSWORD}
    wrong = await browser.post("/welcome", {**form, "code": "x" * 24})
    assert (wrong.status, "is not the one" in wrong.words) == (403, True)
    weak = await browser.post("/welcome", {**form, "code": site.console.welcome_code, "password": "short"})
    assert (weak.status, "12 to 1,024 characters" in weak.words) == (422, True)
    assert not await site.console.accounts.any_exist()
    made = await browser.post("/welcome", {**form, "code": site.console.welcome_code})
    assert (made.status, made.to) == (303, "/")
    assert (await browser.get("/", follow=False)).status == 200
    again = await browser.post("/welcome", {**form, "user": "eve", "code": site.console.welcome_code})
    assert again.to == "/sign-in"
    assert [user.user for user in await site.console.accounts.list()] == ["mara"]


async def test_strangers_can_not_fill_the_audit_log(site: Site) -> None:
    browser = await site.browser()
    for number in range(60):
        page = await browser.post("/welcome", {"user": "eve", "password": PASSWORD, "code": str(number)})
        assert page.status == 403
    assert len(await audit(site)) == 50


async def test_a_user_changes_the_password_and_is_signed_out_elsewhere(site: Site) -> None:
    here, elsewhere = await site.browser(Role.MAKER, user="mara"), await site.browser()
    await elsewhere.sign_in("mara")
    before = cookie_of(here)
    changed = await here.post("/account/password", {"present": PASSWORD, "new": NEW})
    assert (changed.status, changed.to) == (303, "/account?done=password")
    assert cookie_of(here) not in {"", before}
    assert "Your password is changed." in (await here.get(changed.to)).words
    assert is_signed_out(await elsewhere.get("/", follow=False))
    assert (await elsewhere.post("/sign-in", {"user": "mara", "password": PASSWORD})).status == 401
    assert (await elsewhere.post("/sign-in", {"user": "mara", "password": NEW})).status == 303


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"present": "wrong", "new": NEW}, "This is not your present password."),
        ({"present": PASSWORD, "new": "short"}, "A password has 12 to 1,024 characters"),
        ({"present": PASSWORD, "new": "password1234"}, "This password is one of the first"),
        ({}, "A password has 12 to 1,024 characters"),
    ],
)
async def test_a_password_that_can_not_be_is_told_beside_its_field(
    site: Site, fields: dict[str, str], words: str
) -> None:
    browser = await site.browser(Role.MAKER, user="mara")
    page = await browser.post("/account/password", fields)
    assert page.status == 422
    assert words in page.words
    assert page.text.count('aria-invalid="true"') == 1
    assert not any(value in page.text for value in fields.values())
    assert (await browser.get("/", follow=False)).status == 200


async def test_who_guesses_the_present_password_of_an_open_browser_is_locked_out(site: Site) -> None:
    browser = await site.browser(Role.MAKER, user="mara")
    pages = [
        await browser.post("/account/password", {"present": f"guess {number}", "new": NEW})
        for number in range(6)
    ]
    assert [page.status for page in pages] == [422] * 4 + [429] * 2
    assert "too many wrong tries" in pages[-1].words


async def test_a_token_is_shown_once_and_opens_what_systems_ask_for_but_no_page(site: Site) -> None:
    browser, system = await site.browser(Role.MAKER, user="mara"), await site.browser()
    page = await browser.post("/account/tokens", {"purpose": "the <shop>", "days": "30"})
    (token,) = re.findall(r'value="(bi_[\w-]+)"', page.text)
    assert page.headers["Cache-Control"] == "no-store"
    shown = await browser.get("/account")
    assert "the <shop>" in shown.words
    assert "<shop>" not in shown.text
    assert token not in shown.text
    bearer = {"Authorization": f"Bearer {token}"}
    assert (await system.get("/metrics", headers=bearer)).status == 200
    for path in ("/", "/account", "/users"):
        assert is_signed_out(await system.get(path, follow=False, headers=bearer))
    forged = await system.send(
        "POST", "/account/tokens", headers=bearer, data={"purpose": "more", "days": "366"}
    )
    assert is_signed_out(forged)
    (revoke,) = re.findall(r'action="(/account/tokens/\w+/revoke)"', shown.text)
    assert (await browser.post(revoke)).to == "/account?done=revoked"
    assert (await system.get("/metrics", headers=bearer)).status == 401


async def test_nobody_revokes_the_token_of_somebody_else(site: Site) -> None:
    mine, other = await site.browser(Role.MAKER, user="mara"), await site.browser(Role.MAKER, user="lee")
    page = await mine.post("/account/tokens", {"purpose": "the shop", "days": "30"})
    (revoke,) = re.findall(r'action="(/account/tokens/\w+/revoke)"', page.text)
    assert (await other.post(revoke)).status == 404
    assert (await other.post("/account/tokens/..%2f..%2f/revoke")).status == 404
    (token,) = await site.console.accounts.list_tokens()
    assert token.revoked_at == ""


async def test_a_token_needs_a_purpose_and_an_end(site: Site) -> None:
    browser = await site.browser(Role.MAKER)
    for fields in ({"purpose": " ", "days": "30"}, {"purpose": "x", "days": "9999"}, {"purpose": "x"}):
        assert (await browser.post("/account/tokens", fields)).status == 422
    assert await site.console.accounts.list_tokens() == []


async def test_signing_out_everywhere_ends_all_browsers(site: Site) -> None:
    here, elsewhere = await site.browser(Role.MAKER, user="mara"), await site.browser()
    await elsewhere.sign_in("mara")
    assert (await here.post("/account/sign-out-everywhere")).to == "/sign-in"
    for browser in (here, elsewhere):
        assert is_signed_out(await browser.get("/", follow=False))


async def test_an_admin_adds_a_user_whose_password_is_shown_once(site: Site) -> None:
    admin, new = await site.browser(Role.ADMIN), await site.browser()
    await admin.get("/users")
    page = await admin.post("/users", {"user": "Lee", "role": "checker", "way": "password"})
    (password,) = re.findall(r'id="new-password" readonly value="([\w-]+)"', page.text)
    assert password not in (await admin.get("/users/lee")).text
    assert (await new.post("/sign-in", {"user": "lee", "password": password})).status == 303
    assert "checker" in (await new.get("/account")).words
    refused = await admin.post("/users", {"user": "lee", "role": "maker", "way": "password"})
    assert (refused.status, "already" in refused.words) == (422, True)
    without = await admin.post("/users", {"user": "kim", "way": "password"})
    assert (without.status, "needs a role" in without.words) == (422, True)
    foreign = await admin.post("/users", {"user": "kim", "role": "boss", "way": "password"})
    assert (foreign.status, "needs a role" in foreign.words) == (422, True)


async def test_a_name_that_is_refused_comes_back_as_text(site: Site) -> None:
    admin = await site.browser(Role.ADMIN)
    page = await admin.post("/users", {"user": "<img src=x onerror=alert(1)>", "role": "maker"})
    assert page.status == 422
    assert "<img" not in page.text


async def test_roles_that_an_admin_takes_away_are_gone_with_the_next_click(site: Site) -> None:
    admin, maker = await site.browser(Role.ADMIN), await site.browser(Role.ADMIN, user="mara")
    assert (await maker.get("/users")).status == 200
    await admin.get("/users/mara")
    changed = await admin.post("/users/mara/roles", {"role": "viewer"})
    assert "The roles are changed" in (await admin.get(changed.to)).words
    assert (await maker.get("/users")).status == 403
    assert (await maker.get("/", follow=False)).status == 200


async def test_a_disabled_user_is_out_with_the_next_click_and_can_not_sign_in(site: Site) -> None:
    admin, maker = await site.browser(Role.ADMIN), await site.browser(Role.MAKER, user="mara")
    await admin.get("/users/mara")
    assert (await admin.post("/users/mara/disable")).to == "/users/mara?done=disabled"
    assert is_signed_out(await maker.get("/", follow=False))
    assert (await maker.post("/sign-in", {"user": "mara", "password": PASSWORD})).status == 401
    assert (await admin.post("/users/mara/enable")).to == "/users/mara?done=enabled"
    assert is_signed_out(await maker.get("/", follow=False))
    assert (await maker.post("/sign-in", {"user": "mara", "password": PASSWORD})).status == 303


async def test_the_only_admin_is_told_why_they_stay_one(site: Site) -> None:
    admin = await site.browser(Role.ADMIN, user="ada")
    await admin.get("/users/ada")
    for path, fields in (("/users/ada/disable", {}), ("/users/ada/roles", {"role": "maker"})):
        page = await admin.post(path, fields)
        assert (page.status, "only admin" in page.words) == (422, True)
    assert (await admin.get("/users", follow=False)).status == 200


async def test_an_admin_ends_sessions_and_sets_passwords_and_revokes_tokens(site: Site) -> None:
    admin, maker = await site.browser(Role.ADMIN), await site.browser(Role.MAKER, user="mara")
    await maker.post("/account/tokens", {"purpose": "the shop", "days": "30"})
    shown = await admin.get("/users/mara")
    (revoke,) = re.findall(r'action="(/users/mara/tokens/\w+/revoke)"', shown.text)
    assert (await admin.post(revoke)).to == "/users/mara?done=revoked"
    assert (await admin.post(revoke.replace("mara", "nobody"))).status == 404
    assert (await admin.post("/users/mara/sign-out")).to == "/users/mara?done=signed-out"
    assert is_signed_out(await maker.get("/", follow=False))
    page = await admin.post("/users/mara/password")
    (password,) = re.findall(r'id="new-password" readonly value="([\w-]+)"', page.text)
    assert (await maker.post("/sign-in", {"user": "mara", "password": PASSWORD})).status == 401
    assert (await maker.post("/sign-in", {"user": "mara", "password": password})).status == 303


async def test_a_user_that_is_none_is_told_so(site: Site) -> None:
    admin = await site.browser(Role.ADMIN)
    await admin.get("/users")
    for path in ("/users/nobody", "/users/%3Cb%3E", "/users/..%2f..%2fetc"):
        assert (await admin.get(path)).status == 404, path
    for change in ("roles", "password", "disable", "enable", "sign-out"):
        assert (await admin.post(f"/users/nobody/{change}")).status == 404


async def test_the_audit_log_tells_who_did_what_from_where(site: Site) -> None:
    admin = await site.browser(Role.ADMIN, user="ada")
    await admin.get("/users")
    await admin.post("/users", {"user": "lee", "role": "checker", "way": "proxy"})
    await admin.post("/users/lee/disable", csrf="wrong")
    page = await admin.get("/audit")
    assert re.search(r"ada request refused - path: /users/lee/disable, why: \S.* page 127.0.0.1", page.words)
    assert "ada user added lee roles: checker, password: no page 127.0.0.1" in page.words
    assert "a test user added ada roles: admin, password: yes command line -" in page.words
    assert '<a href="/users/lee">lee</a>' in page.text


async def test_the_audit_log_is_searched_and_paged_without_gaps(site: Site) -> None:
    admin = await site.browser(Role.ADMIN, user="ada")
    for number in range(120):
        await site.console.accounts.add(f"user{number}", [Role.VIEWER], None, by=HAND)
    seen: list[str] = []
    path = "/audit?action=user_added&user=a+test"
    while path:
        page = await admin.get(path)
        seen += re.findall(r">(user\d+)</a>", page.text)
        older = re.search(r'href="(/audit\?[^"]*before=\d+)"', page.text)
        path = older[1].replace("&amp;", "&") if older else ""
    assert seen == [f"user{number}" for number in reversed(range(120))]
    assert re.findall(r">(user\d+)</a>", (await admin.get("/audit?about=user7")).text) == ["user7"]
    nothing = await admin.get("/audit?user=nobody")
    assert "Nothing of that kind" in nothing.words


@pytest.mark.parametrize(
    "query",
    [
        "user=%00",
        "user=%ff%fe",
        "about=%22%3E%3Cscript%3Ex%3C/script%3E",
        "action=no_such_action",
        "before=99999999999999999999",
        "before=-1",
        "before=x",
        f"about={'x' * 5000}",
        "user='%20OR%201=1--",
    ],
)
async def test_whatever_is_looked_for_in_the_audit_log_gives_a_page(site: Site, query: str) -> None:
    admin = await site.browser(Role.ADMIN)
    page = await admin.get(f"/audit?{query}")
    assert page.status == 200
    assert "<script>x" not in page.text


async def test_what_others_brought_is_text_in_the_audit_log_whatever_it_is(site: Site) -> None:
    admin = await site.browser(Role.ADMIN)
    bad = "<script>x</script>"
    detail = {
        "file_name": bad,
        "rows": 3,
        "more": {bad: [bad, None]},
        "again": True,
        "list": [bad],
        "no": None,
    }
    for about in (bad, "javascript:x", "20260302-044500-abcdef"):
        entry = Entry.by(HAND, Action.UPLOADED, at="2026-03-02T04:45:00Z", about=about, detail=detail)
        await site.console.records.write(append, entry)
    page = await admin.get("/audit")
    assert page.status == 200
    assert f"file name: {bad}, rows: 3" in page.words
    assert "<script>x" not in page.text
    assert 'href="javascript' not in page.text
    assert 'href="/batches/20260302-044500-abcdef"' in page.text


async def test_no_page_shows_a_hash_a_digest_or_a_cookie(site: Site) -> None:
    admin = await site.browser(Role.ADMIN, Role.MAKER, Role.CHECKER, user="ada")
    await admin.post("/account/tokens", {"purpose": "the shop", "days": "30"})
    (token,) = await site.console.accounts.list_tokens()
    secrets = [cookie_of(admin), token.digest, "argon2", PASSWORD, site.console.welcome_code]
    for path in ("/", "/account", "/users", "/users/ada", "/audit", "/metrics", "/no-such-page"):
        page = await admin.get(path)
        assert [secret for secret in secrets if secret in page.text] == [], path
