"""The second step: which header means which of our columns, and how the file is read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from aiohttp import web

from batch_issuer.batch.requests import OWNER_TYPES
from batch_issuer.errors import UsageError
from batch_issuer.intake import COLUMNS, GROUP_COLUMNS
from batch_issuer.intake.columns import REQUIRED
from batch_issuer.ledger.audit import Action
from batch_issuer.ledger.uploads import Upload
from batch_issuer.uploads import Choices
from batch_issuer.web.console import console_of
from batch_issuer.web.rendering import render, see_other
from batch_issuer.web.routes import MAKER, get, post
from batch_issuer.web.views.uploads import page_of, upload_of, uploads_of
from batch_issuer.web.visitors import note
from batch_issuer.web.wording import listed

WORDS: Final = {
    "customer_id": ("Customer", "the customer's number"),
    "badge_meta_id": ("Badge", "the id of the badge, 24 of 0-9 and a-f"),
    "owner_type": ("Owner type", "the kind of programme that gives the badge away"),
    "reference_id": ("Reference", "which one of them; goes together with the owner type"),
    "issue_event_date": ("Event date", "the day, or the moment, for which the badge is given"),
}
"""What people call our columns, and what belongs there."""
ENCODINGS: Final = {"utf-8": "UTF-8", "utf-16": "UTF-16", "windows-1252": "Windows-1252"}
DELIMITERS: Final = {"comma": "commas", "semicolon": "semicolons", "tab": "tabs", "pipe": "pipes"}


async def show_columns(request: web.Request) -> web.Response:
    """Show headers with samples, and what they mean."""
    return await _page(request, await upload_of(request))


async def _page(
    request: web.Request, upload: Upload, *, problem: str = "", status: int = 200, **typed: str
) -> web.Response:
    uploads, settings = uploads_of(request), console_of(request).settings
    sample = await uploads.sample(upload)
    checked = await uploads.checked(upload)
    failure = checked.failure if checked is not None and not checked.is_stale else ""
    return render(
        request,
        "upload_columns.html.j2",
        status=status,
        upload=upload,
        sample=sample,
        choices=Choices.of(upload),
        columns=WORDS,
        missing=say_missing(sample.missing),
        doubled=_named(sample.doubled),
        required=REQUIRED,
        owner_types=OWNER_TYPES,
        settings_values={name: getattr(settings, name) or "" for name in GROUP_COLUMNS},
        encodings=ENCODINGS,
        delimiters=DELIMITERS,
        problem=problem or failure,
        typed=typed,
    )


def say_missing(missing: Sequence[str]) -> tuple[str, str]:
    """Say which columns were not found, and what to do about it."""
    if not missing:
        return "", ""
    is_one = len(missing) == 1
    title = f"{_named(missing)} {'was' if is_one else 'were'} not found."
    todo = "Choose the header of your file that means it" if is_one else "Choose the headers that mean them"
    if "badge_meta_id" in missing:
        return title, f"{todo}. A badge can be given for the whole file instead."
    return title, f"{todo}."


def _named(columns: Iterable[str]) -> str:
    return listed([WORDS[column][0] for column in columns])


async def choose_columns(request: web.Request) -> web.Response:
    """Take what was chosen, and check the file."""
    upload = await upload_of(request)
    form = {name: str(value) for name, value in (await request.post()).items()}
    choices = replace(
        Choices.of(upload),
        columns={column: form.get(f"column.{column}", "") for column in COLUMNS},
        values={column: form.get(f"value.{column}", "") for column in GROUP_COLUMNS},
    )
    try:
        upload = await uploads_of(request).choose(upload, choices)
    except UsageError as exc:
        return await _page(request, upload, problem=f"{exc}.", status=422, **_typed(form))
    await note(request, Action.COLUMNS_CHOSEN, about=upload.upload, detail=_told(choices))
    uploads_of(request).check(upload)
    return see_other(page_of(upload, "check"))


async def choose_reading(request: web.Request) -> web.Response:
    """Read the file in another way, and look at its headers anew."""
    upload = await upload_of(request)
    form = {name: str(value) for name, value in (await request.post()).items()}
    choices = replace(
        Choices.of(upload),
        sheet=form.get("sheet", "") or None,
        encoding=form.get("encoding", "") or None,
        delimiter=form.get("delimiter", "") or None,
    )
    try:
        await uploads_of(request).choose(upload, choices)
    except UsageError as exc:
        return await _page(request, upload, problem=f"{exc}.", status=422)
    read = {"sheet": choices.sheet, "encoding": choices.encoding, "delimiter": choices.delimiter}
    detail: dict[str, object] = {name: value or "" for name, value in read.items()}
    await note(request, Action.COLUMNS_CHOSEN, about=upload.upload, detail=detail)
    return see_other(page_of(upload, "columns"))


def _typed(form: Mapping[str, str]) -> dict[str, str]:
    return {
        name.replace(".", "_"): value
        for name, value in form.items()
        if name.startswith(("value.", "column."))
    }


def _told(choices: Choices) -> dict[str, object]:
    """Tell the audit log which columns the file has and which values are for all of it."""
    chosen = choices.columns or {}
    return {
        "columns": [name for name in chosen if chosen[name]],
        "values": [name for name, value in choices.values.items() if value],
    }


ROUTES: Final = (
    get("/uploads/{upload}/columns", show_columns, MAKER),
    post("/uploads/{upload}/columns", choose_columns, MAKER),
    post("/uploads/{upload}/reading", choose_reading, MAKER),
)
