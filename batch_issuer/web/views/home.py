"""The start page: every batch of the ledger, the latest first."""

from typing import Final

from aiohttp import web

from batch_issuer.ledger.batches import list_batches
from batch_issuer.web.console import console_of
from batch_issuer.web.rendering import render
from batch_issuer.web.routes import get


async def show_batches(request: web.Request) -> web.Response:
    """List the batches."""
    batches = await console_of(request).records.read(list_batches)
    return render(request, "batches.html.j2", batches=batches)


ROUTES: Final = (get("/", show_batches),)
