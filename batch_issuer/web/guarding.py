"""What stands before every handler: is the name ours, who asks, may they, and did our own page send it."""

import asyncio
from typing import Final
from urllib.parse import quote

from aiohttp import hdrs, web

from batch_issuer.ledger.audit import Action, Via
from batch_issuer.web.console import console_of
from batch_issuer.web.failing import log_refusal
from batch_issuer.web.rendering import see_other
from batch_issuer.web.routes import PUBLIC, Handler, Route
from batch_issuer.web.visitors import VISITOR, is_csrf, note, visitor_of

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FORM: Final = "application/x-www-form-urlencoded"
_CHARSET: Final = "utf-8"
CSRF_FIELD: Final = "csrf"
CSRF_HEADER: Final = "X-CSRF-Token"
_LONGEST_OF_STRANGERS: Final = 64 * 1024
_MAX_PATH: Final = 200
_MISDIRECTED: Final = 421


def guarded(route: Route) -> Handler:
    """Return a handler that is reached only by those who may."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if route.needs is not PUBLIC:
            if VISITOR not in request:
                return await _ask_to_sign_in(request)
            await _refuse_without_role(request, route)
        if request.method not in _SAFE:
            await _refuse_foreign_form(request, route)
        return await route.handler(request)

    return handle


@web.middleware
async def refuse_foreign_names(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer nothing under a name that is not ours: a page of whoever chose it could read the answer."""
    if request.path.startswith("/health/") or console_of(request).doorway.is_ours(request.host):
        return await handler(request)
    log_refusal(request, _MISDIRECTED)
    told = "This console is not known under that name; open the address that its admin gave you.\n"
    return web.Response(text=told, status=_MISDIRECTED)


async def _ask_to_sign_in(request: web.Request) -> web.StreamResponse:
    if request.path.startswith("/api/") or request.path == "/metrics":
        if hdrs.AUTHORIZATION in request.headers:
            why: dict[str, object] = {"path": request.path[:_MAX_PATH], "why": "its token is not valid"}
            await note(request, Action.ACCESS_REFUSED, detail=why)
        raise web.HTTPUnauthorized(
            headers={hdrs.WWW_AUTHENTICATE: 'Bearer realm="batch_issuer"'},
            text="Send a valid token of the console: `Authorization: Bearer TOKEN`.",
        )
    where = "/sign-in"
    if request.method in _SAFE and request.path_qs != "/":
        where += f"?next={quote(request.path_qs, safe='')}"
    if "HX-Request" in request.headers:  # a part of a page can't hold the form: the whole page goes there
        return web.Response(status=204, headers={"HX-Redirect": where})
    return see_other(where)


async def _refuse_without_role(request: web.Request, route: Route) -> None:
    visitor = visitor_of(request)
    if not visitor.has(*route.needs):
        wanted = " or ".join(sorted(role.value for role in route.needs))
        await note(request, Action.ACCESS_REFUSED, detail={"path": request.path, "needs": wanted})
        raise web.HTTPForbidden(
            text=f"This needs the role {wanted}, and your account lacks it. Ask an admin of the console."
        )


async def _refuse_foreign_form(request: web.Request, route: Route) -> None:
    """Refuse what a page of somebody else sends in the name of a visitor."""
    visitor = request.get(VISITOR)
    if visitor is not None and visitor.via is Via.API:
        return  # no browser adds a token by itself
    if not console_of(request).doorway.is_same_origin(request):
        await refuse_form(request, "another site sent it")
    if route.checks_form:
        return
    if visitor is None:
        await _read_small_form(request)
        return
    in_form = await _field(request)
    if not is_csrf(visitor, request.headers.get(CSRF_HEADER) or in_form):
        await refuse_form(request, "its token is not that of the session")


async def refuse_form(request: web.Request, why: str) -> None:
    """Refuse a form, and note why. Always raises HTTPForbidden."""
    await note(request, Action.REQUEST_REFUSED, detail={"path": request.path, "why": why})
    raise web.HTTPForbidden(
        text="This form is too old, or was not sent from a page of the console. Nothing was done: "
        "go back, load the page again, and send it once more."
    )


async def _field(request: web.Request) -> str:
    """Read the form, where there is one, before its handler does: that waits for nobody."""
    if not request.can_read_body:
        return ""
    _refuse_other_kinds(request)
    await _read_form(request)
    return str((await request.post()).get(CSRF_FIELD, ""))


def _refuse_other_kinds(request: web.Request) -> None:
    """Refuse what is no form as our pages have it: there are charsets that no text can come out of."""
    if request.content_type != _FORM or (request.charset or _CHARSET).lower() != _CHARSET:
        raise web.HTTPUnsupportedMediaType(text="Use the form of the page.")


async def _read_small_form(request: web.Request) -> None:
    """Read what somebody sends who is not signed in: a form as our pages have it, and a short one."""
    _refuse_other_kinds(request)
    if request.content_length is None:
        raise web.HTTPUnsupportedMediaType(text="Use the form of the page.")
    if request.content_length > _LONGEST_OF_STRANGERS:
        raise web.HTTPRequestEntityTooLarge(
            max_size=_LONGEST_OF_STRANGERS,
            actual_size=request.content_length,
            text="That is far more than the form holds.",
        )
    await _read_form(request)


async def _read_form(request: web.Request) -> None:
    try:
        async with asyncio.timeout(console_of(request).patience.seconds):
            await request.post()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="The form came too slowly; send it again.") from None
