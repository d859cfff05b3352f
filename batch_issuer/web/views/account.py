"""What a user may change of their own account: the password, tokens, and where they are signed in."""

from typing import Final

from aiohttp import web
from pydantic import SecretStr

from batch_issuer.accounts import Refused, User
from batch_issuer.errors import UsageError
from batch_issuer.ledger.audit import Via
from batch_issuer.web.console import console_of
from batch_issuer.web.rendering import render, see_other
from batch_issuer.web.routes import ANYONE, get, post
from batch_issuer.web.views.signing_in import wait_words
from batch_issuer.web.visitors import drop_cookie, set_cookie, visitor_of
from batch_issuer.web.wording import ROLE_WORDS, sentence

_DONE: Final = {
    "password": "Your password is changed. Wherever else you were signed in, you are not any more.",
    "revoked": "The token is revoked: whatever used it is not let in any more.",
}
_DAYS: Final = (7, 30, 90, 180, 366)


async def show_account(request: web.Request) -> web.Response:
    """Show the visitor's own account."""
    return await _page(request, done=_DONE.get(request.query.get("done", ""), ""))


async def change_password(request: web.Request) -> web.Response:
    """Change the visitor's password; other browsers are signed out, and this one gets another cookie."""
    visitor, form = visitor_of(request), await request.post()
    present, new = SecretStr(str(form.get("present", ""))), SecretStr(str(form.get("new", "")))
    try:
        changed = await console_of(request).accounts.change_password(
            visitor.user, present, new, by=visitor.actor
        )
    except UsageError as exc:
        return await _page(request, status=422, bad_new=sentence(exc))
    if isinstance(changed, Refused):
        if changed.until is not None:
            return await _page(request, status=429, bad_present=wait_words(request, changed.until))
        return await _page(request, status=422, bad_present="This is not your present password.")
    response = see_other("/account?done=password")
    set_cookie(request, response, changed.cookie)
    return response


async def make_token(request: web.Request) -> web.Response:
    """Make a token, and show it: this once, on a page that no cache keeps."""
    visitor, form = visitor_of(request), await request.post()
    purpose, days = str(form.get("purpose", "")), str(form.get("days", ""))
    try:
        token_id, token = await console_of(request).accounts.make_token(
            visitor.user, purpose, int(days) if days in map(str, _DAYS) else 0, by=visitor.actor
        )
    except UsageError as exc:
        return await _page(request, status=422, bad_purpose=sentence(exc), purpose=purpose[:200])
    return await _page(request, made=token_id, token=token.get_secret_value())


async def revoke_token(request: web.Request) -> web.Response:
    """Take one of the visitor's tokens back."""
    visitor = visitor_of(request)
    try:
        await console_of(request).accounts.revoke_token(
            request.match_info["token"], by=visitor.actor, of=visitor.user
        )
    except UsageError:
        raise web.HTTPNotFound(text="You have no such token; your account shows those you have.") from None
    return see_other("/account?done=revoked")


async def sign_out_everywhere(request: web.Request) -> web.Response:
    """End all sessions of the visitor, this one too."""
    visitor = visitor_of(request)
    await console_of(request).accounts.sign_out_everywhere(visitor.user, by=visitor.actor)
    response = see_other("/sign-in")
    drop_cookie(request, response)
    return response


async def _page(request: web.Request, *, status: int = 200, **facts: object) -> web.Response:
    visitor, console = visitor_of(request), console_of(request)
    user: User | None = await console.accounts.find(visitor.user)
    now = console.clock.timestamp()
    tokens = await console.accounts.list_tokens(visitor.user)
    known = {"done": "", "bad_new": "", "bad_present": "", "bad_purpose": "", "purpose": "", "made": ""}
    return render(
        request,
        "account.html.j2",
        status=status,
        may_change_password=visitor.via is Via.PAGE and user is not None and user.has_password,
        tokens=[token for token in tokens if not token.revoked_at and token.ends_at > now],
        days=_DAYS,
        role_words=ROLE_WORDS,
        **{**known, "token": "", **facts},
    )


ROUTES: Final = (
    get("/account", show_account, ANYONE),
    post("/account/password", change_password, ANYONE),
    post("/account/tokens", make_token, ANYONE),
    post("/account/tokens/{token}/revoke", revoke_token, ANYONE),
    post("/account/sign-out-everywhere", sign_out_everywhere, ANYONE),
)
