"""Between the steps: the file is checked in the background, and the page tells how far that is."""

from typing import Final

from aiohttp import web

from batch_issuer.ledger.audit import Action
from batch_issuer.ledger.uploads import Upload
from batch_issuer.web.rendering import is_part, render, see_other
from batch_issuer.web.routes import MAKER, get, post
from batch_issuer.web.views.uploads import page_of, upload_of, uploads_of
from batch_issuer.web.visitors import note


async def start_check(request: web.Request) -> web.Response:
    """Check the file anew."""
    upload = await upload_of(request)
    uploads_of(request).check(upload)
    await note(request, Action.CHECKED, about=upload.upload)
    return see_other(page_of(upload, "check"))


async def show_check(request: web.Request) -> web.Response:
    """Tell how far the check is, and lead on where it has ended."""
    upload, uploads = await upload_of(request), uploads_of(request)
    progress, trouble = uploads.progress(upload), uploads.trouble(upload)
    if progress is None and not trouble:
        checked = await uploads.checked(upload)
        if checked is not None and not checked.is_stale:
            return _go_to(request, await _next(request, upload))
        uploads.check(upload)
        progress = uploads.progress(upload)
    template = "upload_check_part.html.j2" if is_part(request) else "upload_check.html.j2"
    return render(request, template, upload=upload, progress=progress, trouble=trouble)


async def _next(request: web.Request, upload: Upload) -> str:
    checked = await uploads_of(request).checked(upload)
    if checked is None or checked.failure:
        return page_of(upload, "columns")
    return page_of(upload, "problems" if checked.invalid else "plan")


def _go_to(request: web.Request, where: str) -> web.Response:
    return web.Response(headers={"HX-Redirect": where}) if is_part(request) else see_other(where)


ROUTES: Final = (
    get("/uploads/{upload}/check", show_check, MAKER),
    post("/uploads/{upload}/check", start_check, MAKER),
)
