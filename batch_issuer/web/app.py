"""The console as an application of aiohttp: its routes, and what stands before each."""

import asyncio
from typing import Final

from aiohttp import hdrs, web

from batch_issuer.web import api
from batch_issuer.web.batch_state import Remembered
from batch_issuer.web.console import CONSOLE, STOPPING, Console
from batch_issuer.web.events import HUB, Hub, close_hub
from batch_issuer.web.failing import explain_failures
from batch_issuer.web.guarding import guarded, refuse_foreign_names
from batch_issuer.web.headers import add_headers
from batch_issuer.web.routes import PUBLIC, Route, get
from batch_issuer.web.static_files import serve_static
from batch_issuer.web.views import (
    account,
    approvals,
    audit,
    batch,
    checking,
    columns,
    health,
    home,
    planning,
    problems,
    rows,
    runs,
    signing_in,
    uploads,
    users,
)
from batch_issuer.web.visitors import identify

_LARGEST_FORM: Final = 8 * 1024 * 1024
"""Cells that are pasted; files are streamed, and have a limit of their own."""

ROUTES: Final[tuple[Route, ...]] = (
    get("/static/{name:.+}", serve_static, PUBLIC),
    *health.ROUTES,
    *signing_in.ROUTES,
    *home.ROUTES,
    *batch.ROUTES,
    *rows.ROUTES,
    *runs.ROUTES,
    *approvals.ROUTES,
    *account.ROUTES,
    *users.ROUTES,
    *audit.ROUTES,
    *api.ROUTES,
    *uploads.ROUTES,
    *columns.ROUTES,
    *checking.ROUTES,
    *problems.ROUTES,
    *planning.ROUTES,
)


def make_app(console: Console, stopping: asyncio.Event, hub: Hub | None = None) -> web.Application:
    """Put the routes together."""
    app = web.Application(
        middlewares=[refuse_foreign_names, explain_failures, identify], client_max_size=_LARGEST_FORM
    )
    app[CONSOLE] = console
    app[STOPPING] = stopping
    app[HUB] = hub or Hub()
    app[batch.REMEMBERED] = Remembered()
    app.on_shutdown.append(close_hub)
    app.on_response_prepare.append(add_headers)
    for route in ROUTES:
        app.router.add_route(route.method, route.path, guarded(route))
        if route.method == hdrs.METH_GET and route.needs is PUBLIC:  # watchers ask so
            app.router.add_route(hdrs.METH_HEAD, route.path, guarded(route))
    return app
