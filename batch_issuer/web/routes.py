"""The shape of a route: what it answers to, and who may ask."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from aiohttp import web

from batch_issuer.accounts import Role

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

PUBLIC: Final[frozenset[Role]] = frozenset()
"""Whoever asks: nothing of a batch is shown there."""
ANYONE: Final = frozenset(Role)
"""Whoever is signed in."""
MAKER: Final = frozenset({Role.MAKER})
CHECKER: Final = frozenset({Role.CHECKER})
ADMIN: Final = frozenset({Role.ADMIN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One address of the console."""

    method: str
    path: str
    handler: Handler
    needs: frozenset[Role]
    """The roles of which a visitor needs one, or PUBLIC."""
    checks_form: bool = False
    """The handler itself looks at the token of its form: one that streams a body reads it from there."""


def get(path: str, handler: Handler, needs: frozenset[Role] = ANYONE) -> Route:
    """Return a page."""
    return Route(method="GET", path=path, handler=handler, needs=needs)


def post(path: str, handler: Handler, needs: frozenset[Role] = ANYONE, *, checks_form: bool = False) -> Route:
    """Return what a form is sent to."""
    return Route(method="POST", path=path, handler=handler, needs=needs, checks_form=checks_form)
