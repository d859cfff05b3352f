"""Connects to a scheduler, or starts one with workers on this machine, and lets nothing of Dask show."""

# Dask is typed in parts:
# mypy: allow-untyped-calls

import asyncio
import logging
import ssl
import warnings
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Final

from distributed import Client, Security
from distributed.versions import VersionMismatchWarning, get_versions

from batch_issuer import __version__
from batch_issuer.cluster.dask_engine import DaskEngine, Terms
from batch_issuer.cluster.local_workers import open_local_workers
from batch_issuer.cluster.pieces import other_version
from batch_issuer.engine_settings import LOCAL_ENGINE
from batch_issuer.errors import EngineUnavailable, UsageError
from batch_issuer.logs import LogFormat
from batch_issuer.settings import Settings
from batch_issuer.site import Site
from batch_issuer.tasks import see_through

_CHATTER: Final = ("distributed", "distributed.client", "distributed.gc", "tornado", "tornado.application")
_PACKAGE: Final = "batch_issuer"
_ANSWER_SECONDS: Final = 5.0
_AS_HERE: Final = ("python", "distributed", "dask")
"""What the two ends of a connection must have alike, besides this package."""


@asynccontextmanager
async def connect(
    site: Site,
    *,
    log_format: LogFormat,
    verbosity: int,
    stopping: asyncio.Event,
    seconds: float,
) -> AsyncIterator[DaskEngine]:
    """Open the engine, wait for a worker, and see that all are of this version."""
    settings = site.settings()
    address = settings.engine or LOCAL_ENGINE
    hush(verbosity)
    async with AsyncExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", VersionMismatchWarning)  # what matters of it is told below
        if address == LOCAL_ENGINE:
            place, security = await stack.enter_async_context(open_local_workers())
        else:
            place, security = address.replace("dask://", "tcp://"), security_of(settings)
        client = await stack.enter_async_context(_open_client(address, place, security, seconds))
        terms = Terms(site=site, log_format=log_format, verbosity=verbosity)
        engine = DaskEngine(client, terms, address=address)
        watching = asyncio.create_task(engine.watch(), name="watch the engine")
        stack.push_async_callback(_end, watching)
        await engine.wait_for_workers(stopping)
        try:
            check_versions(await _versions(client), address)
        except OSError as exc:
            raise EngineUnavailable(f"the scheduler at {address} does not answer any more: {exc}") from exc
        yield engine


def hush(verbosity: int) -> None:
    """Keep what Dask logs from a user who did not ask for it."""
    level = (logging.CRITICAL, logging.WARNING, logging.INFO)[min(max(verbosity, 0), 2)]
    for name in _CHATTER:
        logging.getLogger(name).setLevel(level)


def security_of(settings: Settings) -> Security:
    """Return what a connection is secured by. Raises UsageError where a certificate can't be used."""
    files = {
        "tls_ca_file": settings.engine_ca_file,
        "tls_client_cert": settings.engine_cert_file,
        "tls_client_key": settings.engine_key_file,
    }
    given = {name: str(path) for name, path in files.items() if path is not None}
    is_tls = (settings.engine or "").startswith("tls://")
    try:
        # what is not given may stand in Dask's own configuration
        security = Security(require_encryption=is_tls, **(given if is_tls else {}))
        context = security.get_connection_args("client")["ssl_context"]
    except (OSError, ssl.SSLError) as exc:  # SSLError is one: named for the reader
        raise UsageError(
            f"the certificates of {settings.engine} can't be used ({exc}); check ENGINE_CA_FILE, "
            "ENGINE_CERT_FILE and ENGINE_KEY_FILE"
        ) from exc
    if is_tls and context is None:
        raise UsageError(
            f"{settings.engine} needs ENGINE_CA_FILE and ENGINE_CERT_FILE, and ENGINE_KEY_FILE where the key "
            "is in a file of its own"
        )
    return security


@asynccontextmanager
async def _open_client(address: str, place: str, security: Security, seconds: float) -> AsyncIterator[Client]:
    """Connect. Raises EngineUnavailable, or UsageError where the two ends can't work together."""
    client = Client(
        place,
        asynchronous=True,
        set_as_default=False,
        security=security,
        timeout=seconds,
        name=_PACKAGE,
    )
    try:
        await client
    except OSError as exc:
        raise EngineUnavailable(
            f"no scheduler answers at {address} ({exc}); start it there, or correct ENGINE; nothing is lost: "
            "the same command, or `batch-issuer resume`, goes on"
        ) from exc
    except ImportError as exc:
        raise UsageError(f"the scheduler at {address} can't work with this Dask: {exc}") from exc
    try:
        yield client
    finally:
        await see_through(_closed(client))


async def _closed(client: Client) -> None:
    await client.close()


async def _end(watching: "asyncio.Task[None]") -> None:
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching


async def _versions(client: Client) -> Mapping[str, Any]:
    """Ask the scheduler and each worker what is installed there; a worker that stands still is left out."""
    scheduler: Any = client.scheduler
    question = {"op": "versions", "packages": [_PACKAGE]}
    asking = {
        asyncio.ensure_future(scheduler.broadcast(msg=question, workers=[worker], on_error="ignore"))
        for worker in await client.nthreads()
    }
    answered, silent = await asyncio.wait(asking, timeout=_ANSWER_SECONDS) if asking else (set(), set())
    for task in silent:
        task.cancel()
    return {
        "client": get_versions(packages=[_PACKAGE]),
        "scheduler": await scheduler.versions(packages=[_PACKAGE]),
        "workers": {worker: found for task in answered for worker, found in task.result().items()},
    }


def check_versions(found: Mapping[str, Any], address: str) -> None:
    """Raise UsageError where the scheduler or a worker has another version of us, of Python, or of Dask."""
    ours = found["client"]["packages"]
    places = {f"the scheduler at {address}": found["scheduler"]}
    places |= {f"the worker at {worker}": versions for worker, versions in found["workers"].items()}
    for who, versions in places.items():
        packages = versions["packages"]
        if packages[_PACKAGE] != ours[_PACKAGE]:
            raise other_version(who, packages[_PACKAGE], __version__)
        for name in _AS_HERE:
            if packages[name] != ours[name]:
                raise UsageError(
                    f"{who} has {name} {packages[name]}, and here is {name} {ours[name]}; run the same image "
                    "for the scheduler, its workers and this command"
                )
