"""The pictures of the console, as the README and the pages of the documentation show it."""

from pathlib import Path

from tests.browser.screenshots import PICTURES, main

PAGES = {
    *("welcome", "sign-in", "batches-none", "new-batch", "columns", "problems", "plan", "run"),
    *("batch-pending", "approvals", "users", "audit", "account", "batches", "batch", "rows", "requests"),
}
ON_A_PHONE = {"users", "audit", "account", "batches", "batch", "rows", "requests"}


async def test_every_page_is_drawn_at_a_desk_and_some_on_a_phone_in_the_dark(tmp_path: Path) -> None:
    drawn = {picture.stem for picture in await main(tmp_path)}
    assert drawn == PAGES | {f"{page}-phone-dark" for page in ON_A_PHONE}


def test_the_readme_shows_two_of_them() -> None:
    readme = (PICTURES.parent.parent / "README.md").read_text()
    assert {name for name in PAGES if f"docs/screenshots/{name}.png" in readme} == {"plan", "batch"}
