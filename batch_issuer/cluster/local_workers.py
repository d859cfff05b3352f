"""A scheduler and workers on this machine alone, which end with this process however it ends."""

# Dask is typed in parts:
# mypy: allow-untyped-calls

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from multiprocessing import resource_tracker
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, ClassVar, Final

import dask
from dask.system import CPU_COUNT
from distributed import LocalCluster, Nanny, Security
from distributed.core import Status

_ANY_PORT: Final = "127.0.0.1:0"
"""Each serves pages, whether anybody wants them or not: so there are none, and no other machine is let in."""
_NO_PAGES: Final[dict[str, list[str]]] = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}
_HELD: Final = (signal.SIGINT, signal.SIGTERM)


@asynccontextmanager
async def open_local_workers() -> AsyncIterator[tuple[str, Security]]:
    """Start one worker for each processor; yield where their scheduler is, and what secures the way there."""
    security = _security()
    with (
        TemporaryDirectory(prefix="batch_issuer-", ignore_cleanup_errors=True) as folder,
        dask.config.set({"temporary-directory": folder, **_NO_PAGES}),
    ):
        cluster = LocalCluster(
            n_workers=CPU_COUNT,
            threads_per_worker=1,
            memory_limit=0,  # the machine's memory is the limit, as it is for one process
            scheduler_kwargs={"dashboard": False, "dashboard_address": _ANY_PORT},
            worker_dashboard_address=_ANY_PORT,
            security=security,
            worker_class=_ShelteredNanny,
            silence_logs=logging.getLogger("distributed").level,
            asynchronous=True,
        )
        try:
            await _to_its_end(_started(cluster))
            yield cluster.scheduler_address, security
        finally:
            await _to_its_end(_closed(cluster))


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Finish some work however often the caller is cancelled: processes complain when it is broken off.

    It takes some seconds at most.
    """
    task = asyncio.ensure_future(work)
    is_cancelled = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            is_cancelled = True
    task.result()
    if is_cancelled:
        raise asyncio.CancelledError


async def _started(cluster: LocalCluster) -> None:
    await cluster


async def _closed(cluster: LocalCluster) -> None:
    closing: Any = cluster.close()
    await closing


def _security() -> Security:
    """Keep other users of the machine out, where there is what certificates can be made with."""
    with suppress(ImportError):
        security: Security = Security.temporary()
        return security
    return Security()


class _Shelter:
    """While anybody is inside, signals that ask this process to end wait; whoever is started gets none."""

    def __init__(self) -> None:
        self._inside = 0

    def __enter__(self) -> None:
        if not self._inside:
            signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
        self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inside -= 1
        if not self._inside:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)


class _ShelteredNanny(Nanny):
    """Starts a worker that no Ctrl-C at the terminal reaches, and no SIGTERM to the group: we drain."""

    shelter: ClassVar[_Shelter] = _Shelter()

    async def instantiate(self) -> Status:
        """Start the worker's process; it inherits what is blocked here."""
        resource_tracker.ensure_running()  # which would unblock the signals if it were started on the way
        with self.shelter:
            found: Any = await super().instantiate()
        status: Status = found
        return status
