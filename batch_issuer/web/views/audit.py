"""For admins: who did what, the latest first."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from batch_issuer.accounts import plain_name
from batch_issuer.ledger.audit import Action, Entry, list_entries
from batch_issuer.web.console import console_of
from batch_issuer.web.rendering import render
from batch_issuer.web.routes import ADMIN, get
from batch_issuer.web.wording import say_detail

_ON_A_PAGE: Final = 50
_LONGEST: Final = 200
_BATCH: Final = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")
_NUMBER: Final = re.compile(r"[0-9]{1,10}")
_LAST: Final = 2**31 - 1
"""The greatest number that every database compares with."""
_OF_USERS: Final = frozenset(
    {
        *(Action.SIGNED_IN, Action.SIGNED_OUT, Action.SIGN_IN_REFUSED, Action.USER_ADDED),
        *(Action.USER_CHANGED, Action.PASSWORD_CHANGED, Action.USER_DISABLED, Action.USER_ENABLED),
    }
)


async def show_audit(request: web.Request) -> web.Response:
    """Show a page of the audit log, as far as it is what is looked for."""
    wanted = {name: _text(request.query.get(name, "")) for name in ("user", "action", "about")}
    before = request.query.get("before", "")
    found = await console_of(request).records.read(
        list_entries,
        user=wanted["user"],
        action=wanted["action"],
        about=wanted["about"],
        before=min(int(before), _LAST) if _NUMBER.fullmatch(before) else None,
        limit=_ON_A_PAGE + 1,
    )
    shown = found[:_ON_A_PAGE]
    return render(
        request,
        "audit.html.j2",
        entries=[(entry, _about_link(entry)) for entry in shown],
        wanted=wanted,
        actions=[(action.value, _words(action)) for action in Action],
        words=_words,
        say_detail=say_detail,
        newest=_address(wanted) if before else "",
        older=_address(wanted, before=shown[-1].number) if len(found) > len(shown) else "",
    )


def _text(given: str) -> str:
    """Return what may be looked for: what can't be printed is in no entry, and in no database."""
    return "".join(char for char in given.strip() if char.isprintable())[:_LONGEST]


def _address(wanted: Mapping[str, str], *, before: int | None = None) -> str:
    fields = {name: value for name, value in wanted.items() if value}
    if before is not None:
        fields["before"] = str(before)
    return f"/audit?{urlencode(fields)}" if fields else "/audit"


def _about_link(entry: Entry) -> str:
    """Return the page of what an entry is about, where it has one."""
    if _BATCH.fullmatch(entry.about):
        return f"/batches/{entry.about}"
    if entry.action in _OF_USERS and plain_name(entry.about) == entry.about:
        return f"/users/{entry.about}"
    return ""


def _words(action: Action) -> str:
    return action.value.replace("_", " ")


ROUTES: Final = (get("/audit", show_audit, ADMIN),)
