"""Wrong tokens: each is noted in the audit log, until so many come from one address that it has to wait."""

from datetime import timedelta
from typing import Final

from aiohttp import hdrs, web

from batch_issuer.ledger.audit import Action, count_since
from batch_issuer.web.console import console_of
from batch_issuer.web.visitors import note

MOST: Final = 100
WITHIN: Final = timedelta(minutes=15)
_ABOUT: Final = "a token"


async def refuse_token(request: web.Request) -> None:
    """Say that there is no valid token. Always raises HTTPUnauthorized, or HTTPTooManyRequests."""
    if hdrs.AUTHORIZATION in request.headers:
        await _note(request)
    raise web.HTTPUnauthorized(
        headers={hdrs.WWW_AUTHENTICATE: 'Bearer realm="batch_issuer"'},
        text="Send a valid token of the console: `Authorization: Bearer TOKEN`.",
    )


async def _note(request: web.Request) -> None:
    """Note a wrong token; a valid one is always taken, so that nobody has to wait but who guesses."""
    console = console_of(request)
    address, since = console.doorway.visitor_address(request), console.clock.now() - WITHIN
    count = await console.records.read(
        count_since, Action.ACCESS_REFUSED, since, about=_ABOUT, address=address
    )
    if count >= MOST:
        raise web.HTTPTooManyRequests(
            headers={hdrs.RETRY_AFTER: str(int(WITHIN.total_seconds()))},
            text="Too many wrong tokens came from this address; ask an admin of the console for a valid one.",
        )
    await note(request, Action.ACCESS_REFUSED, about=_ABOUT, detail={"path": request.path[:200]})
