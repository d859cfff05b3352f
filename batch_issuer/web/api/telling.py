"""How the API tells of runs."""

from aiohttp import web

from batch_issuer.ledger.runs import Run
from batch_issuer.web.api.answers import RunAnswer
from batch_issuer.web.console import console_of


def run_path(run: str) -> str:
    """Return where a run is told of."""
    return f"/api/runs/{run}"


def describe(request: web.Request, run: Run) -> RunAnswer:
    """Tell how a run stands."""
    console = console_of(request)
    return RunAnswer.of(run, console.runs.progress(run.run), message=console.redact(run.message))
