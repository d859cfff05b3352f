"""Who asks: a browser with a session, a user whom a trusted proxy names, or a system with a token."""

import hmac
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from aiohttp import hdrs, web
from pydantic import SecretStr

from batch_issuer.accounts import Role, User, csrf_token
from batch_issuer.accounts.proofs import new_cookie
from batch_issuer.ledger.audit import Action, Actor, Entry, Via, append, count_since
from batch_issuer.web.console import console_of

log = logging.getLogger(__name__)

_BEARER: Final = re.compile(r"Bearer +(\S+)", re.IGNORECASE)
_COOKIE: Final = "batch_issuer"
_MAX_COOKIE: Final = 200
_API: Final = "/api/"
_FOR_SYSTEMS: Final = (_API, "/metrics")
"""What a token opens. On a page it could make further tokens, and there a proxy may need the header."""
_FOR_ALL: Final = ("/static/", "/health/")
"""What is the same for everybody: the ledger need not say who asks."""
NO_COOKIE: Final = SecretStr("")
_REFUSALS: Final = (Action.ACCESS_REFUSED, Action.REQUEST_REFUSED)
_MOST_REFUSALS: Final = 50
_FLOOD_WINDOW: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who sent a request, and what they may do."""

    user: str
    roles: frozenset[Role]
    via: Via
    address: str
    csrf: str = ""
    """What a form must carry so that it counts as sent from one of our pages."""
    cookie: SecretStr = NO_COOKIE

    @property
    def actor(self) -> Actor:
        """Who acts, as the audit log tells it."""
        return Actor(user=self.user, via=self.via, address=self.address)

    def has(self, *roles: Role) -> bool:
        """Tell whether the visitor has one of some roles."""
        return bool(self.roles & set(roles))


VISITOR: Final = web.RequestKey("visitor", Visitor)


def visitor_of(request: web.Request) -> Visitor:
    """Return who sent a request to a page that is not public."""
    return request[VISITOR]


def cookie_name(request: web.Request) -> str:
    """Name the session's cookie; browsers keep one with this prefix to https and to this very host."""
    return f"__Host-{_COOKIE}" if console_of(request).doorway.is_secure else _COOKIE


def set_cookie(request: web.Request, response: web.StreamResponse, cookie: SecretStr) -> None:
    """Have a browser keep a session's cookie until it is closed; no script can read it."""
    response.set_cookie(
        cookie_name(request),
        cookie.get_secret_value(),
        path="/",
        secure=console_of(request).doorway.is_secure,
        httponly=True,
        samesite="Lax",
    )


def drop_cookie(request: web.Request, response: web.StreamResponse) -> None:
    """Have a browser forget a session's cookie."""
    response.del_cookie(
        cookie_name(request),
        path="/",
        secure=console_of(request).doorway.is_secure,
        httponly=True,
        samesite="Lax",
    )


def cookie_of(request: web.Request) -> SecretStr:
    """Return what a browser keeps for us, or nothing."""
    return SecretStr(request.cookies.get(cookie_name(request), "")[:_MAX_COOKIE])


async def find_visitor(request: web.Request) -> Visitor | None:
    """Say who sent a request, where that is known."""
    if request.path.startswith(_FOR_SYSTEMS) and _bearer(request):
        return await _by_token(request)
    if request.path.startswith(_API):
        return None
    return await _by_proxy(request) or await _by_session(request)


async def _by_token(request: web.Request) -> Visitor | None:
    user = await console_of(request).accounts.bearer(_bearer(request))
    return None if user is None else _visitor(request, user, Via.API)


def _bearer(request: web.Request) -> str:
    found = _BEARER.fullmatch(request.headers.get(hdrs.AUTHORIZATION, ""))
    return "" if found is None else found[1]


async def _by_session(request: web.Request) -> Visitor | None:
    cookie = cookie_of(request)
    if not cookie.get_secret_value():
        return None
    session = await console_of(request).accounts.session(cookie.get_secret_value())
    return None if session is None else _visitor(request, session.user, Via.PAGE, cookie)


async def _by_proxy(request: web.Request) -> Visitor | None:
    """Believe the header of a trusted proxy; raises HTTPForbidden where anybody else sends it."""
    console = console_of(request)
    names = request.headers.getall(console.doorway.user_header, []) if console.doorway.user_header else []
    if not any(names):
        return None
    if not console.doorway.comes_by_proxy(request):
        await note(request, Action.ACCESS_REFUSED, detail={"why": "a user header from no trusted proxy"})
        raise web.HTTPForbidden(
            text="Only the trusted proxy may say who you are; open the console's own address."
        )
    # a proxy that adds its header to the visitor's own, in place of replacing it, proves nothing
    user = await console.accounts.find(names[0]) if len(names) == 1 else None
    if user is None or user.disabled_at:
        why = "no account of this name" if len(names) == 1 else "two user headers"
        await note(request, Action.ACCESS_REFUSED, detail={"why": why, "name": names[0][:64]})
        raise web.HTTPForbidden(
            text="You are signed in, but have no account here; ask an admin of the console to add you."
        )
    return _visitor(request, user, Via.PROXY, cookie_of(request))


def _visitor(request: web.Request, user: User, via: Via, cookie: SecretStr = NO_COOKIE) -> Visitor:
    if via is Via.PROXY and not cookie.get_secret_value():
        cookie = request[NEW_COOKIE] = new_cookie()  # nothing to sign in with: it only marks our own forms
    return Visitor(
        user=user.user,
        roles=user.roles,
        via=via,
        address=console_of(request).doorway.visitor_address(request),
        csrf=csrf_token(cookie.get_secret_value()) if via is not Via.API else "",
        cookie=cookie,
    )


NEW_COOKIE: Final = web.RequestKey("new_cookie", SecretStr)


async def note(
    request: web.Request,
    action: Action,
    *,
    about: str = "",
    user: str | None = None,
    detail: dict[str, object] | None = None,
) -> None:
    """Write into the audit log what a visitor did, or was refused."""
    console, actor = console_of(request), actor_of(request, user=user)
    if action in _REFUSALS:
        reason = str((detail or {}).get("why", "a role is missing"))
        extra = {"user": actor.user, "address": actor.address, "kind": action.value, "reason": reason}
        log.warning("visitor refused", extra=extra)
        if VISITOR not in request and await _is_flood(request, actor.address):
            return
    entry = Entry.by(actor, action, at=console.clock.timestamp(), about=about, detail=detail)
    await console.records.write(append, entry)


async def _is_flood(request: web.Request, address: str) -> bool:
    """Tell whether an address was refused so often that more of it is for the log alone.

    Nobody can remove what the audit log holds: a stranger must not fill the disk with it.
    """
    console = console_of(request)
    since = console.clock.now() - _FLOOD_WINDOW
    counts = [await console.records.read(count_since, action, since, address=address) for action in _REFUSALS]
    return sum(counts) >= _MOST_REFUSALS


def actor_of(request: web.Request, *, user: str | None = None) -> Actor:
    """Say who acts, also where nobody is signed in."""
    if VISITOR in request:
        return request[VISITOR].actor
    address = console_of(request).doorway.visitor_address(request)
    via = Via.API if request.path.startswith("/api/") else Via.PAGE
    return Actor(user=user or "", via=via, address=address)


def is_csrf(visitor: Visitor, given: str) -> bool:
    """Tell whether a form carries what only our own pages know."""
    return bool(visitor.csrf) and hmac.compare_digest(
        visitor.csrf.encode(), given.encode("utf-8", "surrogatepass")
    )


@web.middleware
async def identify(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Find out who asks, before anything else is done for them."""
    visitor = None if request.path.startswith(_FOR_ALL) else await find_visitor(request)
    if visitor is not None:
        request[VISITOR] = visitor
    response = await handler(request)
    if NEW_COOKIE in request and not response.prepared:
        set_cookie(request, response, request[NEW_COOKIE])
    return response
