"""Coming in, by a real browser."""

from playwright.async_api import expect

from batch_issuer.accounts import Role
from tests.browser.conftest import Enter
from tests.web.site import PASSWORD, Site


async def test_the_first_account_is_made_with_the_code_of_the_terminal(site: Site, enter: Enter) -> None:
    person = await enter()
    await person.open(f"/welcome?code={site.console.welcome_code}")
    await person.inspect()
    await person.page.get_by_label("User").fill("mara")
    await person.page.get_by_label("Password").fill(PASSWORD)
    await person.page.get_by_role("button", name="Make the account").click()
    await expect(person.page.get_by_role("heading", name="No batch yet")).to_be_visible()
    await person.inspect()


async def test_a_wrong_password_is_told_and_the_right_one_lets_in(site: Site, enter: Enter) -> None:
    await site.add("mara", Role.MAKER)
    person = await enter()
    person.refusals = {401}
    await person.open("/sign-in")
    await person.inspect()
    await person.page.get_by_label("User").fill("mara")
    await person.page.get_by_label("Password").fill("something else entirely")
    await person.page.keyboard.press("Enter")
    await expect(person.page.get_by_role("alert")).to_contain_text("The user or the password is wrong")
    await person.inspect()
    await expect(person.page.get_by_label("Password")).to_be_focused()
    await person.page.keyboard.type(PASSWORD)
    await person.page.keyboard.press("Enter")
    await expect(person.page.get_by_role("link", name="mara")).to_be_visible()


async def test_a_page_that_is_not_there_says_what_to_do(enter: Enter) -> None:
    person = await enter(Role.VIEWER)
    person.refusals = {404}
    await person.open("/no-such-page")
    await expect(person.page.get_by_role("link", name="To the batches")).to_be_visible()
    await person.inspect()
