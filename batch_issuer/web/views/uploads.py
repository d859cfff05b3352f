"""A new batch begins: bring a file, or paste cells; and go on with what was brought before."""

import logging
from typing import Final

from aiohttp import BodyPartReader, web

from batch_issuer.errors import InputRefused, OutputNotWritable, UsageError
from batch_issuer.ledger.audit import Action
from batch_issuer.ledger.runs import runs_of_upload
from batch_issuer.ledger.uploads import Upload
from batch_issuer.uploads import Uploads
from batch_issuer.web.console import Console, console_of
from batch_issuer.web.receiving import LIMIT, find_file, parts_of
from batch_issuer.web.rendering import is_part, render, see_other
from batch_issuer.web.routes import MAKER, get, post
from batch_issuer.web.visitors import note, visitor_of

log = logging.getLogger(__name__)

MOST_OPEN: Final = 50
RUN_PAGE: Final = "/runs/{}"
_OVERHEAD: Final = 1 << 16
"""Bytes of a form besides its file."""


def uploads_of(request: web.Request) -> Uploads:
    """Return the uploads of the console that was asked."""
    return console_of(request).uploads


async def upload_of(request: web.Request) -> Upload:
    """Return the upload of the address, if it is the visitor's. Raises HTTPNotFound."""
    found = await uploads_of(request).find(request.match_info["upload"], user=visitor_of(request).user)
    if found is None:
        raise web.HTTPNotFound(
            text="There is no such upload of yours: perhaps it was removed, or another user brought it. "
            "Begin anew under New batch."
        )
    return found


def page_of(upload: Upload, page: str = "") -> str:
    """Return the address of a page of an upload."""
    return f"/uploads/{upload.upload}{page and f'/{page}'}"


async def show_start(request: web.Request) -> web.Response:
    """Show the form, and what the visitor brought before."""
    return await _start(request)


async def _start(
    request: web.Request, *, problem: str = "", text: str = "", status: int = 200
) -> web.Response:
    brought = await uploads_of(request).list_open(visitor_of(request).user)
    most = console_of(request).settings.max_file_bytes
    return render(
        request, "uploads.html.j2", status=status, uploads=brought, problem=problem, text=text, most=most
    )


async def receive(request: web.Request) -> web.Response:
    """Take a file while it comes."""
    console = console_of(request)
    file = await find_file(request)
    if file is None:
        return await _refused(request, "Choose a file first: a spreadsheet, as CSV, XLSX or Parquet.")
    try:
        await _refuse_more(request, console)
        upload = await _take(request, console, file)
    except (web.HTTPRequestTimeout, web.HTTPRequestEntityTooLarge) as exc:
        why = "it came too slowly" if isinstance(exc, web.HTTPRequestTimeout) else "it was too large"
        await note(request, Action.REQUEST_REFUSED, detail={"path": request.path, "why": why})
        return await _refused(request, exc.text or "", status=exc.status)
    except OutputNotWritable as exc:
        return await _not_written(request, exc)
    except (InputRefused, UsageError) as exc:
        await note(request, Action.REQUEST_REFUSED, detail={"path": request.path, "why": "no file to take"})
        return await _refused(request, f"{exc}.")
    await note(request, Action.UPLOADED, about=upload.upload, detail={"bytes": upload.size})
    return _go_on(request, upload)


async def _take(request: web.Request, console: Console, file: BodyPartReader) -> Upload:
    most = console.settings.max_file_bytes
    length = request.content_length or 0
    if length > most + _OVERHEAD:
        told = f"It is larger than {most:,} bytes: {LIMIT}."
        raise web.HTTPRequestEntityTooLarge(max_size=most, actual_size=length, text=told)
    parts = parts_of(file, console.patience, most=most)
    return await console.uploads.receive(parts, file_name=file.filename or "", user=visitor_of(request).user)


async def paste(request: web.Request) -> web.Response:
    """Take cells that were copied from a spreadsheet."""
    text = str((await request.post()).get("cells", ""))
    try:
        await _refuse_more(request, console_of(request))
        upload = await uploads_of(request).paste(text, user=visitor_of(request).user)
    except OutputNotWritable as exc:
        return await _not_written(request, exc)
    except (InputRefused, UsageError) as exc:
        return await _start(request, problem=f"{exc}.", text=text, status=422)
    await note(request, Action.UPLOADED, about=upload.upload, detail={"bytes": upload.size})
    return _go_on(request, upload)


async def remove(request: web.Request) -> web.Response:
    """Remove what the visitor brought."""
    upload = await upload_of(request)
    if not await uploads_of(request).remove(upload.upload):
        raise web.HTTPConflict(text="This file is being issued, so it can't be removed now.")
    await note(request, Action.UPLOAD_REMOVED, about=upload.upload)
    return see_other("/uploads")


async def go_on(request: web.Request) -> web.Response:
    """Lead to the step that an upload is at."""
    upload = await upload_of(request)
    if (where := await where_it_went(request, upload)) is not None:
        return see_other(where)
    checked = await uploads_of(request).checked(upload)
    if checked is None or checked.failure:
        return see_other(page_of(upload, "columns"))
    return see_other(page_of(upload, "problems" if checked.invalid or checked.is_stale else "plan"))


async def where_it_went(request: web.Request, upload: Upload) -> str | None:
    """Name the page of what has become of an upload that was confirmed before."""
    if upload.batch:
        return f"/batches/{upload.batch}"
    runs = await console_of(request).records.read(runs_of_upload, upload.upload)
    return next((RUN_PAGE.format(run.run) for run in runs if run.is_open), None)


async def _refuse_more(request: web.Request, console: Console) -> None:
    brought = await console.uploads.list_open(visitor_of(request).user)
    if len(brought) >= MOST_OPEN:
        raise UsageError(
            f"there are {len(brought):,} files of yours already; remove some of them below first"
        )


async def _refused(request: web.Request, problem: str, *, status: int = 422) -> web.Response:
    if is_part(request):
        facts = {"title": "The file was not taken.", "message": problem}
        response = render(request, "failure_part.html.j2", status=status, **facts)
    else:
        response = await _start(request, problem=problem, status=status)
    response.force_close()  # what is left of the file is not worth waiting for
    return response


async def _not_written(request: web.Request, exc: OutputNotWritable) -> web.Response:
    """Tell the visitor what they can do, and the log where the disk fails."""
    log.error("upload not kept", extra={"reason": str(exc)})
    told = "The console can't write to its disk now, so nothing of it was kept. Tell an admin of the console."
    return await _refused(request, told, status=503)


def _go_on(request: web.Request, upload: Upload) -> web.Response:
    """Lead on to the columns; a script that sent the file is told where that is."""
    where = page_of(upload, "columns")
    return web.Response(headers={"HX-Redirect": where}) if is_part(request) else see_other(where)


ROUTES: Final = (
    get("/uploads", show_start, MAKER),
    post("/uploads", receive, MAKER, checks_form=True),
    post("/uploads/pasted", paste, MAKER),
    get("/uploads/{upload}", go_on, MAKER),
    post("/uploads/{upload}/remove", remove, MAKER),
)
