"""Signing in and out, and the first account of a console that has none."""

import hmac
import math
from datetime import datetime
from typing import Final

from aiohttp import web
from pydantic import SecretStr

from batch_issuer.accounts import Refused, Role, plain_name
from batch_issuer.errors import UsageError
from batch_issuer.ledger.audit import Action
from batch_issuer.web.console import console_of
from batch_issuer.web.rendering import render, see_other
from batch_issuer.web.routes import ANYONE, PUBLIC, get, post
from batch_issuer.web.visitors import VISITOR, actor_of, cookie_of, drop_cookie, note, set_cookie, visitor_of

_LONGEST_ECHO: Final = 64
FIRST_ROLES: Final = frozenset({Role.ADMIN, Role.MAKER})


async def show_sign_in(request: web.Request) -> web.StreamResponse:
    """Show the form, or go on where somebody is signed in already."""
    if VISITOR in request:
        return see_other(_next(request))
    if not await console_of(request).accounts.any_exist():
        return see_other("/welcome")
    return _form(request)


async def sign_in(request: web.Request) -> web.StreamResponse:
    """Sign somebody in with a name and a password."""
    form = await request.post()
    name, password = str(form.get("user", "")), SecretStr(str(form.get("password", "")))
    console = console_of(request)
    address = console.doorway.visitor_address(request)
    tried = await console.accounts.sign_in(name, password, address=address)
    if isinstance(tried, Refused):
        return _refused(request, name, tried)
    await console.accounts.sign_out(cookie_of(request).get_secret_value(), address=address)
    response = see_other(_next(request))
    set_cookie(request, response, tried.cookie)
    return response


def _refused(request: web.Request, name: str, refused: Refused) -> web.Response:
    if refused.until is None:
        message = "The user or the password is wrong. Look at the caps lock key, and type both again."
        return _form(request, name=name, message=message, status=401)
    return _form(request, name=name, message=wait_words(request, refused.until), status=429)


def wait_words(request: web.Request, until: datetime) -> str:
    """Say how long somebody must wait who was wrong too often; the same for names that nobody has."""
    seconds = (until - console_of(request).clock.now()).total_seconds()
    minutes = max(1, math.ceil(seconds / 60))
    return (
        f"There were too many wrong tries. Wait {minutes} minute{'' if minutes == 1 else 's'}; "
        "an admin of the console can set a new password, which ends the wait at once."
    )


def _form(request: web.Request, *, name: str = "", message: str = "", status: int = 200) -> web.Response:
    name = name[:_LONGEST_ECHO]
    return render(request, "sign_in.html.j2", status=status, name=name, message=message, next=_next(request))


def _next(request: web.Request) -> str:
    """Return where to go after signing in: a page of ours, never another site."""
    wanted = request.query.get("next", "/")
    is_ours = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if is_ours else "/"


async def sign_out(request: web.Request) -> web.StreamResponse:
    """End the session."""
    visitor = visitor_of(request)
    await console_of(request).accounts.sign_out(visitor.cookie.get_secret_value(), address=visitor.address)
    response = see_other("/sign-in")
    drop_cookie(request, response)
    return response


async def show_welcome(request: web.Request) -> web.StreamResponse:
    """Show the form for the first account to who has the code that the terminal shows."""
    if await console_of(request).accounts.any_exist():
        return see_other("/sign-in")
    return _welcome(request, code=request.query.get("code", ""))


async def make_first_account(request: web.Request) -> web.StreamResponse:
    """Make the first account, and sign it in."""
    console = console_of(request)
    form = await request.post()
    code, name = str(form.get("code", "")), str(form.get("user", ""))
    password = SecretStr(str(form.get("password", "")))
    if await console.accounts.any_exist():
        return see_other("/sign-in")
    if not hmac.compare_digest(code.encode(), console.welcome_code.encode()):
        await note(request, Action.ACCESS_REFUSED, detail={"path": request.path, "why": "a wrong code"})
        message = "The code is not the one that the console shows in its terminal. Copy it from there."
        return _welcome(request, name=name, message=message, status=403)
    try:
        by = actor_of(request, user=plain_name(name))
        await console.accounts.add(name, FIRST_ROLES, password, by=by, is_first=True)
    except UsageError as exc:
        return _welcome(request, code=code, name=name, message=f"{exc}.", status=422)
    return await sign_in(request)


def _welcome(
    request: web.Request, *, code: str = "", name: str = "", message: str = "", status: int = 200
) -> web.Response:
    return render(request, "welcome.html.j2", status=status, code=code, name=name, message=message)


ROUTES: Final = (
    get("/sign-in", show_sign_in, PUBLIC),
    post("/sign-in", sign_in, PUBLIC),
    post("/sign-out", sign_out, ANYONE),
    get("/welcome", show_welcome, PUBLIC),
    post("/welcome", make_first_account, PUBLIC),
)
