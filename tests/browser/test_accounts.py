"""One's own account, and the pages of admins, by a real browser."""

import re

import pytest
from playwright.async_api import expect

from batch_issuer.accounts import Role
from tests.browser.conftest import Enter
from tests.web.site import HAND, Site

PHONE = {"viewport": {"width": 360, "height": 740}}
NEW = "another walk in the hills"


@pytest.mark.parametrize("options", [{}, {"color_scheme": "dark"}, PHONE], ids=["light", "dark", "phone"])
async def test_the_pages_of_accounts_are_for_everybody_to_read(
    site: Site, enter: Enter, options: dict[str, object]
) -> None:
    await site.add("lee", Role.CHECKER)
    await site.console.accounts.disable("lee", by=HAND)
    person = await enter(*Role, user="ada", **options)
    await person.open("/account")
    await person.page.get_by_label("What it is for").fill("the shop")
    await person.page.get_by_role("button", name="Make a token").click()
    await expect(person.page.get_by_role("textbox", name="The token")).to_be_visible()
    await person.inspect()
    for path in ("/account", "/users", "/users/ada", "/users/lee", "/audit", "/audit?user=nobody"):
        await person.open(path)
        await person.inspect()
        wide = await person.page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not wide, f"{path} has to be moved sideways to be read"


async def test_a_password_is_changed_and_the_mistake_before_is_told_beside_its_field(enter: Enter) -> None:
    person = await enter(Role.MAKER, user="mara")
    person.refusals = {422}
    await person.open("/account")
    await person.page.get_by_label("Present password").fill("something else entirely")
    await person.page.get_by_label("New password").fill(NEW)
    await person.page.keyboard.press("Enter")
    present = person.page.get_by_label("Present password")
    await expect(present).to_have_accessible_description("This is not your present password.")
    await expect(present).to_be_focused()
    await person.inspect()
    await present.fill("a quiet walk in the hills")
    await person.page.get_by_label("New password").fill(NEW)
    await person.page.keyboard.press("Enter")
    await expect(person.page.get_by_role("status")).to_contain_text("Your password is changed.")
    await person.inspect()


async def test_an_admin_adds_a_user_and_hands_over_the_password(site: Site, enter: Enter) -> None:
    admin, new = await enter(Role.ADMIN, user="ada"), await enter()
    await admin.page.get_by_role("link", name="Users").click()
    await admin.page.get_by_role("textbox", name="Name").fill("lee")
    await admin.page.get_by_label("checker approves or rejects").check()
    await admin.page.get_by_role("button", name="Add the user").click()
    shown = admin.page.get_by_label("The password of lee")
    await expect(shown).to_be_focused()
    await admin.inspect()
    await new.sign_in("lee", await shown.input_value())
    await expect(new.page.get_by_role("link", name="lee")).to_be_visible()
    await admin.page.get_by_role("link", name="what was done about them").click()
    await expect(admin.page.get_by_role("cell", name="user added")).to_be_visible()
    assert re.search(r"/audit\?about=lee$", admin.page.url)
    assert await site.console.accounts.find("lee") is not None
