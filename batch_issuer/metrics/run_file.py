"""The metrics file: what a run leaves for a collector of text files, replaced whole."""

import asyncio
import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from batch_issuer.clock import Clock
from batch_issuer.errors import BatchIssuerError
from batch_issuer.gateway import normal_url
from batch_issuer.ledger import Ledger, ledger_exists, open_ledger
from batch_issuer.metrics.earlier import read_earlier
from batch_issuer.metrics.figures import LedgerFigures, read_figures
from batch_issuer.metrics.measurements import Measurements
from batch_issuer.metrics.rendering import render_metrics
from batch_issuer.metrics.runs import RunEnd
from batch_issuer.settings import Settings

log = logging.getLogger(__name__)

_READABLE: Final = 0o644
"""The collector is another user."""


async def leave_metrics(
    path: Path, settings: Settings, measurements: Measurements, clock: Clock, ends: Mapping[str, RunEnd]
) -> None:
    """Write the metrics of a run and of the ledger. What stands in the way is a warning, never an error.

    Counters go on from what the file holds already, and so does the end of every other command.
    """
    figures = await _figures(settings, clock)
    try:
        earlier = await asyncio.to_thread(read_earlier, path)
        content = render_metrics(
            figures=figures,
            runs={**earlier.runs, **ends},
            measurements=measurements.after(earlier.measurements),
            now=clock.now(),
        )
        await asyncio.to_thread(replace_readable, path, content)
    except OSError as exc:
        log.warning("the metrics file can't be written", extra={"reason": exc.strerror or type(exc).__name__})


async def _figures(settings: Settings, clock: Clock) -> LedgerFigures | None:
    """Read how the batches stand, where there is a ledger that can be read."""
    url = settings.ledger_url
    if settings.base_url is None or not ledger_exists(url):
        return None
    try:
        async with open_ledger(url, clock) as ledger:
            return await asyncio.to_thread(_read, ledger, settings, clock)
    except BatchIssuerError as exc:
        log.warning("the metrics lack the ledger's figures", extra={"reason": str(exc)})
        return None


def _read(ledger: Ledger, settings: Settings, clock: Clock) -> LedgerFigures:
    with ledger.snapshot() as connection:
        return read_figures(
            connection,
            base_url=normal_url(settings.base_url or ""),
            org_id=settings.org_id or "",
            now=clock.now(),
        )


def replace_readable(path: Path, content: bytes) -> None:
    """Replace a file whole, for every user to read. Raises OSError.

    What lies beside it meanwhile has another ending, which a collector passes over.
    """
    descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), _READABLE)
            os.fsync(file.fileno())
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
