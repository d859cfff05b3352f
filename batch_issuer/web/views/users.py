"""For admins: who may use the console, and with which roles."""

from typing import Final

from aiohttp import web
from pydantic import SecretStr

from batch_issuer.accounts import User, new_password
from batch_issuer.errors import UsageError
from batch_issuer.web.console import console_of
from batch_issuer.web.rendering import render, see_other
from batch_issuer.web.routes import ADMIN, get, post
from batch_issuer.web.visitors import visitor_of
from batch_issuer.web.wording import ROLE_WORDS, roles_in, sentence

_LONGEST_ECHO: Final = 64
_DONE: Final = {
    "added": "The user is added, and signs in at the proxy.",
    "roles": "The roles are changed, and hold from now on.",
    "disabled": "The user is let in no more: their sessions have ended, and their tokens are revoked.",
    "enabled": "The user is let in again, and signs in anew.",
    "signed-out": "All sessions of the user have ended.",
    "revoked": "The token is revoked.",
}


async def show_users(request: web.Request) -> web.Response:
    """List all users, and offer to add one."""
    return await _list(request)


async def add_user(request: web.Request) -> web.Response:
    """Add a user; the password that is drawn for them is shown this once."""
    form = await request.post()
    name, roles = str(form.get("user", "")), roles_in(form.getall("role", []))
    password = new_password() if form.get("way") == "password" else None
    try:
        user = await console_of(request).accounts.add(name, roles, password, by=visitor_of(request).actor)
    except UsageError as exc:
        return await _list(
            request, status=422, message=sentence(exc), name=name[:_LONGEST_ECHO], chosen=roles
        )
    if password is None:
        return see_other(f"/users/{user.user}?done=added")
    return await _one(request, user, password=password)


async def show_user(request: web.Request) -> web.Response:
    """Show one user, and what can be changed of them."""
    return await _one(request, await _asked(request))


async def set_roles(request: web.Request) -> web.Response:
    """Give a user other roles."""
    user, form = await _asked(request), await request.post()
    by, roles = visitor_of(request).actor, roles_in(form.getall("role", []))
    try:
        await console_of(request).accounts.set_roles(user.user, roles, by=by)
    except UsageError as exc:
        return await _one(request, user, status=422, message=sentence(exc))
    return see_other(f"/users/{user.user}?done=roles")


async def set_password(request: web.Request) -> web.Response:
    """Draw another password for a user, and show it this once."""
    user, password = await _asked(request), new_password()
    by = visitor_of(request).actor
    user = await console_of(request).accounts.set_password(user.user, password, by=by)
    return await _one(request, user, password=password)


async def disable(request: web.Request) -> web.Response:
    """Let a user in no more."""
    user = await _asked(request)
    try:
        await console_of(request).accounts.disable(user.user, by=visitor_of(request).actor)
    except UsageError as exc:
        return await _one(request, user, status=422, message=sentence(exc))
    return see_other(f"/users/{user.user}?done=disabled")


async def enable(request: web.Request) -> web.Response:
    """Let a user in again."""
    user = await _asked(request)
    await console_of(request).accounts.enable(user.user, by=visitor_of(request).actor)
    return see_other(f"/users/{user.user}?done=enabled")


async def sign_out(request: web.Request) -> web.Response:
    """End all sessions of a user."""
    user = await _asked(request)
    await console_of(request).accounts.sign_out_everywhere(user.user, by=visitor_of(request).actor)
    return see_other(f"/users/{user.user}?done=signed-out")


async def revoke_token(request: web.Request) -> web.Response:
    """Take a token of a user back."""
    user, token = await _asked(request), request.match_info["token"]
    try:
        await console_of(request).accounts.revoke_token(token, by=visitor_of(request).actor, of=user.user)
    except UsageError:
        raise web.HTTPNotFound(text="This user has no such token; go back and load the page again.") from None
    return see_other(f"/users/{user.user}?done=revoked")


async def _asked(request: web.Request) -> User:
    user = await console_of(request).accounts.find(request.match_info["user"])
    if user is None:
        raise web.HTTPNotFound(text="There is no such user; the page of users lists those there are.")
    return user


async def _list(request: web.Request, *, status: int = 200, **facts: object) -> web.Response:
    console = console_of(request)
    return render(
        request,
        "users.html.j2",
        status=status,
        users=await console.accounts.list(),
        role_words=ROLE_WORDS,
        has_proxy=bool(console.doorway.user_header),
        **{"message": "", "name": "", "chosen": frozenset(), **facts},
    )


async def _one(
    request: web.Request,
    user: User,
    *,
    status: int = 200,
    message: str = "",
    password: SecretStr | None = None,
) -> web.Response:
    console = console_of(request)
    present, now = await console.accounts.find(user.user), console.clock.timestamp()
    tokens = await console.accounts.list_tokens(user.user)
    return render(
        request,
        "user.html.j2",
        status=status,
        user=present or user,
        tokens=[token for token in tokens if not token.revoked_at and token.ends_at > now],
        role_words=ROLE_WORDS,
        message=message,
        password="" if password is None else password.get_secret_value(),
        done=_DONE.get(request.query.get("done", ""), "") if request.method == "GET" else "",
    )


ROUTES: Final = (
    get("/users", show_users, ADMIN),
    post("/users", add_user, ADMIN),
    get("/users/{user}", show_user, ADMIN),
    post("/users/{user}/roles", set_roles, ADMIN),
    post("/users/{user}/password", set_password, ADMIN),
    post("/users/{user}/disable", disable, ADMIN),
    post("/users/{user}/enable", enable, ADMIN),
    post("/users/{user}/sign-out", sign_out, ADMIN),
    post("/users/{user}/tokens/{token}/revoke", revoke_token, ADMIN),
)
