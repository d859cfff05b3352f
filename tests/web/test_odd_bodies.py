"""Bodies that no page of ours sends: each is refused in plain words, and none is an error of the program."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from batch_issuer.accounts import Role
from batch_issuer.web.patience import Patience
from tests.pipeline.world import World, customers
from tests.web.site import HAND, Browser, Site, open_site

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("charset", ["none-such", "unicode_escape", "punycode", "utf-7", "utf-16"])
@pytest.mark.parametrize("path", ["/sign-in", "/welcome"])
async def test_a_form_in_another_charset_is_refused_before_it_is_read(
    site: Site, caplog: pytest.LogCaptureFixture, path: str, charset: str
) -> None:
    stranger = await site.browser()
    page = await stranger.send(
        "POST",
        path,
        data=rb"code=\ud800&user=a&password=b",
        headers={"Content-Type": f"{FORM}; charset={charset}"},
    )
    assert page.status == 415
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_browser_that_names_our_charset_is_let_in(site: Site) -> None:
    await site.add("anna", Role.VIEWER)
    page = await (await site.browser()).send(
        "POST",
        "/sign-in",
        data=b"user=anna&password=a+quiet+walk+in+the+hills",
        headers={"Content-Type": f"{FORM}; charset=UTF-8"},
    )
    assert page.status == 303


async def token_of(browser: Browser) -> str:
    await browser.get("/account")
    assert browser.last is not None
    return browser.last.csrf


async def test_a_form_of_very_many_fields_is_refused(site: Site) -> None:
    viewer = await site.browser(Role.VIEWER)
    body = b"csrf=" + (await token_of(viewer)).encode() + b"&a=1" * 100_000
    page = await viewer.send("POST", "/sign-out", data=body, headers={"Content-Type": FORM})
    assert page.status == 413
    assert (await viewer.get("/account")).status == 200


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=b", "multipart/form-data", "text/plain"])
async def test_a_form_of_another_kind_is_refused_whatever_its_token(
    site: Site, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    maker = await site.browser(Role.MAKER)
    page = await maker.send(
        "POST",
        "/uploads/pasted",
        data=b"--b\r\nthis is no form",
        headers={"Content-Type": kind, "X-CSRF-Token": await token_of(maker)},
    )
    assert page.status == 415
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_slow_form_is_not_waited_for_though_its_token_came_before(world: World) -> None:
    async with open_site(world.settings(), world.time.clock(), patience=Patience(seconds=0.2)) as site:
        maker = await site.browser(Role.MAKER)
        token, go_on = await token_of(maker), asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield b"cells="
            await go_on.wait()

        page = await maker.send(
            "POST",
            "/uploads/pasted",
            data=slowly(),
            headers={"Content-Type": FORM, "X-CSRF-Token": token},
        )
        go_on.set()
        assert page.status == 408


UPLOADS = "multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"--b\r\n"),
        (UPLOADS, b""),
        (UPLOADS, b"no form at all\r\n"),
        (UPLOADS, b"--b\r\nContent-Length: ten\r\n\r\nx\r\n--b--\r\n"),
        (UPLOADS, b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\ncut off'),
        ("multipart/mixed; boundary=" + 100 * "b", b"--b\r\n"),
    ],
)
async def test_an_upload_that_is_no_form_is_told_to_be_none(
    site: Site, caplog: pytest.LogCaptureFixture, kind: str, body: bytes
) -> None:
    maker = await site.browser(Role.MAKER)
    headers = {"Content-Type": kind, "X-CSRF-Token": await token_of(maker)}
    page = await maker.send("POST", "/uploads", data=body, headers=headers)
    assert page.status in {400, 422}
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_no_run_starts_of_a_form_that_ends_within_its_file(site: Site) -> None:
    await site.add("sam", Role.MAKER)
    _, token = await site.console.accounts.make_token("sam", "a shop", 7, by=HAND)
    page = await (await site.browser()).send(
        "POST",
        "/api/batches",
        data=b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
        + customers(7).encode()[:-20],
        headers={"Content-Type": UPLOADS, "Authorization": f"Bearer {token.get_secret_value()}"},
    )
    assert page.status == 400
    assert not await site.console.uploads.list_open("sam")


async def test_what_stands_before_the_file_of_a_form_has_a_limit(site: Site) -> None:
    maker = await site.browser(Role.MAKER)
    token = (await token_of(maker)).encode()
    body = PART % (b"csrf", token) + PART % (b"other", 500_000 * b"x") + b"--b--\r\n"
    page = await maker.send("POST", "/uploads", data=body, headers={"Content-Type": UPLOADS})
    assert page.status == 413


async def test_a_form_of_very_many_parts_is_refused(site: Site) -> None:
    maker = await site.browser(Role.MAKER)
    body = 1_000 * (PART % (b"other", b"")) + b"--b--\r\n"
    page = await maker.send("POST", "/uploads", data=body, headers={"Content-Type": UPLOADS})
    assert page.status == 413


async def test_a_form_that_stands_still_before_its_file_is_not_waited_for(world: World) -> None:
    async with open_site(world.settings(), world.time.clock(), patience=Patience(seconds=0.2)) as site:
        maker, go_on = await site.browser(Role.MAKER), asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield b'--b\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n'
            await go_on.wait()

        page = await maker.send("POST", "/uploads", data=slowly(), headers={"Content-Type": UPLOADS})
        go_on.set()
        assert page.status == 408
