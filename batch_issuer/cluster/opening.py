"""Opens the engine that the settings name. Dask is loaded only then."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from batch_issuer.engine_settings import LOCAL_ENGINE
from batch_issuer.errors import UsageError
from batch_issuer.logs import LogFormat
from batch_issuer.site import Site

if TYPE_CHECKING:
    from batch_issuer.cluster.dask_engine import DaskEngine

_CONNECT_SECONDS: Final = 10.0


@asynccontextmanager
async def open_engine(
    site: Site,
    *,
    stopping: asyncio.Event | None = None,
    log_format: LogFormat = "text",
    verbosity: int = 0,
    connect_seconds: float = _CONNECT_SECONDS,
) -> AsyncGenerator["DaskEngine"]:
    """Open the engine that ENGINE names, with one worker at least, and close it.

    Raises UsageError where it can't be used as it is, EngineUnavailable where it can't be reached now, and
    Interrupted where a stop is asked for before there is any worker.
    """
    settings = site.settings()
    if settings.engine is None:
        raise UsageError("ENGINE names no engine")
    if settings.engine != LOCAL_ENGINE and not settings.ledger_url.startswith("postgresql://"):
        raise UsageError(
            f"{settings.engine} needs a ledger that all its workers reach: name one in PostgreSQL with "
            f"LEDGER, or choose {LOCAL_ENGINE}, whose workers are processes of this machine"
        )
    try:
        from batch_issuer.cluster.connecting import connect  # noqa: PLC0415 - Dask is an extra, and slow to load
    except ImportError as exc:
        raise UsageError(
            f"{settings.engine} needs Dask ({exc.name} is not installed): pip install 'batch_issuer[cluster]'"
        ) from exc
    async with connect(
        site,
        log_format=log_format,
        verbosity=verbosity,
        stopping=stopping or asyncio.Event(),
        seconds=connect_seconds,
    ) as engine:
        yield engine
