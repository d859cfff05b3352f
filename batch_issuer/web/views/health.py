"""For whoever watches the console: is it alive, can it work, and its figures for Prometheus."""

from typing import Final

from aiohttp import web

from batch_issuer.errors import BatchIssuerError
from batch_issuer.gateway import normal_url
from batch_issuer.ledger.audit import list_entries
from batch_issuer.metrics.figures import read_figures
from batch_issuer.metrics.rendering import render_metrics
from batch_issuer.web.console import console_of
from batch_issuer.web.routes import PUBLIC, get

_METRICS: Final = "text/plain; version=0.0.4; charset=utf-8"


async def live(_: web.Request) -> web.Response:
    """Say that the console answers."""
    return web.json_response({"status": "ok"})


async def ready(request: web.Request) -> web.Response:
    """Say whether the console can work: whether its ledger answers."""
    try:
        await console_of(request).records.read(list_entries, limit=1)
    except BatchIssuerError:
        return web.json_response({"status": "the ledger can't be reached"}, status=503)
    return web.json_response({"status": "ok"})


async def metrics(request: web.Request) -> web.Response:
    """Answer with how the batches stand, and with what this console has sent."""
    console = console_of(request)
    figures = None
    if console.settings.base_url is not None:
        figures = await console.records.read(
            read_figures,
            base_url=normal_url(console.settings.base_url),
            org_id=console.settings.org_id or "",
            now=console.clock.now(),
        )
    text = render_metrics(
        figures=figures, runs={}, measurements=console.measurements, now=console.clock.now()
    )
    return web.Response(body=text, headers={"Content-Type": _METRICS})


ROUTES: Final = (
    get("/health/live", live, PUBLIC),
    get("/health/ready", ready, PUBLIC),
    get("/metrics", metrics),
)
