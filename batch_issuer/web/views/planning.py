"""The fourth step: what would be sent, and the confirmation by the number of its customers."""

import re
from dataclasses import replace
from typing import Final

from aiohttp import web

from batch_issuer.errors import RunExists, SettingsError, UsageError
from batch_issuer.gateway import sending_access
from batch_issuer.ledger.audit import Action
from batch_issuer.ledger.uploads import Upload
from batch_issuer.settings import Settings
from batch_issuer.uploads import Checked, Choices
from batch_issuer.web.console import console_of
from batch_issuer.web.rendering import render, see_other
from batch_issuer.web.routes import MAKER, get, post
from batch_issuer.web.views.uploads import RUN_PAGE, page_of, upload_of, uploads_of, where_it_went
from batch_issuer.web.visitors import note, visitor_of
from batch_issuer.web.wording import sentence

_SEPARATORS: Final = re.compile(r"[\s.,'_\u2019\u00a0\u2009\u202f]")
_NUMBER_CHARS: Final = 40


async def show_plan(request: web.Request) -> web.Response:
    """Show what would be sent."""
    upload = await upload_of(request)
    checked = await uploads_of(request).checked(upload)
    if checked is None or checked.is_stale:
        return see_other(page_of(upload, "check"))
    if checked.failure:
        return see_other(page_of(upload, "columns"))
    return _page(request, upload, checked)


def _page(
    request: web.Request, upload: Upload, checked: Checked, *, problem: str = "", name: str = ""
) -> web.Response:
    choices, settings = Choices.of(upload), console_of(request).settings
    return render(
        request,
        "upload_plan.html.j2",
        status=422 if problem else 200,
        upload=upload,
        checked=checked,
        choices=choices,
        name=name or choices.name,
        rate=settings.rate,
        is_repeated=bool(checked.same_content) and not choices.again,
        why_not=why_not(checked, choices),
        cannot_send=cannot_send(settings),
        problem=problem,
    )


def why_not(checked: Checked, choices: Choices) -> str:
    """Say why nothing would be sent, and what to do; nothing where something would."""
    if checked.refusal and checked.invalid == checked.rows:
        return "No row is valid. Correct them under Problems."
    if checked.refusal and choices.on_invalid == "stop":
        return (
            "Nothing is sent while rows are invalid. Correct them under Problems, or choose there to send "
            "only the valid rows."
        )
    if checked.refusal:
        limit = f"the limit of {choices.max_invalid} allows"
        return f"More rows are invalid than {limit}. Correct them, or set another limit, under Problems."
    if not checked.customers:
        return "Each customer of this file has the badge already, or is about to get it by another batch."
    return ""


def cannot_send(settings: Settings) -> str:
    """Say which settings are missing before this console can send anything, or nothing."""
    try:
        sending_access(settings)
    except SettingsError as exc:
        return sentence(exc)
    return ""


async def choose_again(request: web.Request) -> web.Response:
    """Decide whether to issue what was issued before once more."""
    upload = await upload_of(request)
    form = await request.post()
    again = str(form.get("again", "")) == "yes"
    upload = await uploads_of(request).choose(upload, replace(Choices.of(upload), again=again))
    await note(request, Action.CHECKED, about=upload.upload, detail={"again": again})
    uploads_of(request).check(upload)
    return see_other(page_of(upload, "check"))


async def confirm(request: web.Request) -> web.Response:
    """Issue the upload, if the number that was typed is that of its customers."""
    upload, uploads = await upload_of(request), uploads_of(request)
    form = {name: str(value) for name, value in (await request.post()).items()}
    name, typed = form.get("name", ""), form.get("customers", "")
    checked = await uploads.checked(upload)
    if (where := await where_it_went(request, upload)) is not None:
        return see_other(where)
    if checked is None or not checked.can_be_issued or cannot_send(console_of(request).settings):
        return see_other(page_of(upload, "plan"))
    if not _is_number(typed, checked.customers):
        problem = (
            f"That is not the number of customers. Type {checked.customers:,} to confirm."
            if typed.strip()
            else f"Type the number of customers, {checked.customers:,}, to confirm."
        )
        return _page(request, upload, checked, problem=problem, name=name)
    try:
        upload = await uploads.choose(upload, replace(Choices.of(upload), name=name))
    except UsageError as exc:
        return _page(request, upload, checked, problem=f"{exc}.", name=name)
    return await _issue(request, upload)


async def _issue(request: web.Request, upload: Upload) -> web.Response:
    console = console_of(request)
    async with console.uploads.alone(upload):
        path, options = await console.uploads.to_issue(upload)
        checked = await console.uploads.checked(upload)
        if checked is None or not checked.can_be_issued:  # corrected meanwhile: that was not confirmed
            return see_other(page_of(upload, "plan"))
        try:
            run = await console.runs.issue(upload.upload, path, options, by=visitor_of(request).actor)
        except RunExists as exc:  # a double click, or a second tab
            return see_other(RUN_PAGE.format(exc.run))
    return see_other(RUN_PAGE.format(run.run))


def _is_number(typed: str, wanted: int) -> bool:
    """Tell whether a number was typed, with or without the separators that people write."""
    return len(typed) <= _NUMBER_CHARS and _SEPARATORS.sub("", typed) == str(wanted)


ROUTES: Final = (
    get("/uploads/{upload}/plan", show_plan, MAKER),
    post("/uploads/{upload}/again", choose_again, MAKER),
    post("/uploads/{upload}/issue", confirm, MAKER),
)
