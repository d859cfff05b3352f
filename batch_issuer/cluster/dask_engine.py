"""An engine whose pieces of work are tasks of a Dask scheduler.

Dask starts them and does them again where a worker dies. Nothing that must be true lies in it: that is the
ledger's business, and so is how much is done at once.
"""

# Dask is typed in parts:
# mypy: allow-untyped-calls

import asyncio
import logging
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from distributed import Client, Future, KilledWorker
from distributed.client import FutureCancelledError

from batch_issuer import __version__
from batch_issuer.cluster.pieces import Done, Piece, do_piece, other_version
from batch_issuer.errors import EngineUnavailable, Interrupted
from batch_issuer.logs import LogFormat
from batch_issuer.site import Site

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batch_issuer.engine import Engine, Work

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

_LOOK_SECONDS: Final = 1.0
_ALONE_SECONDS: Final = 5.0
"""So long without any worker is worth a line."""
_MOST_ALONE_SECONDS: Final = 300.0
"""So long without any worker, and nobody is waited for any more."""
_SILENCE_SECONDS: Final = 60.0
"""A scheduler that answers nothing for so long stands still, or is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What each piece of work is sent with."""

    site: Site
    log_format: LogFormat
    verbosity: int


class DaskEngine:
    """Has work done by the workers of a scheduler."""

    def __init__(self, client: Client, terms: Terms, *, address: str) -> None:
        """Take a client that is connected, and the address as the user wrote it."""
        self._client = client
        self._terms = terms
        self._address = address
        self._clock = terms.site.clock
        self._threads: Mapping[str, int] = {}
        self._somebody_came = asyncio.Event()
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Fails when the engine is lost."""

    @property
    def width(self) -> int:
        """As many as all workers that are there now can do, by their threads."""
        return max(1, sum(self._threads.values()))

    @property
    def workers(self) -> int:
        """How many workers are there now."""
        return len(self._threads)

    async def run(self, work: "Work[T, R]", item: T, *, waits: bool = False) -> R:
        """Have it done by some worker, and again where that dies."""
        return await self._run(work, item, self._terms, waits=waits)

    def within(self, site: Site) -> "Engine":
        """Return this engine for work of other settings, whose secrets stay out of logs, too."""
        return _Within(self, replace(self._terms, site=site))

    async def everywhere(self, work: "Work[T, R]", item: T) -> "list[R | BaseException]":
        """Have it done once by each worker, and return what came of each, errors too."""
        return await asyncio.gather(
            *(self._run(work, item, self._terms, worker=worker) for worker in self._threads),
            return_exceptions=True,
        )

    async def _run(
        self, work: "Work[T, R]", item: T, terms: Terms, *, waits: bool = False, worker: str | None = None
    ) -> R:
        if self._gone.done():
            self._gone.result()
        key = f"{work.__name__}-{uuid.uuid4().hex}"
        piece = Piece(
            key=key,
            work=work,
            item=item,
            waits=waits,
            site=terms.site,
            log_format=terms.log_format,
            verbosity=terms.verbosity,
        )
        # no argument of `do_piece` may be named as one of Dask's own is, as `key`, `retries` or `actor`
        future = self._client.submit(
            do_piece, __version__, piece.packed(), key=key, pure=False, workers=worker
        )
        try:
            done = Done.unpacked(await self._result_of(future))
        finally:
            future.release()  # whoever still does it stops
        if done.error is not None:
            raise done.error
        result: R = done.result  # type: ignore[assignment]  # it is what `work` returned
        return result

    async def _result_of(self, future: "Future[Any]") -> bytes:
        """Wait for what comes of a task, or until the engine is lost."""
        waiting = asyncio.ensure_future(future.result())
        awaited: list[asyncio.Future[Any]] = [waiting, self._gone]
        try:
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                self._gone.result()
            return self._judge(waiting)
        finally:
            waiting.cancel()

    def _judge(self, waiting: "asyncio.Future[bytes]") -> bytes:
        """Return what came of a task; what its piece raised is in that: errors are those of Dask."""
        if waiting.cancelled():
            raise self._lost("a worker was stopped")
        match waiting.exception():
            case None:
                return waiting.result()
            case FutureCancelledError() as exc:  # then all other work is forgotten, too
                lost = self._lose(f"its scheduler is gone, or was made to forget the work: {exc.reason}")
                raise lost from exc
            case KilledWorker() as exc:
                raise EngineUnavailable(
                    f"{exc.allowed_failures + 1} workers of {self._address} died one after the other, each "
                    f"at the same piece of work; give workers more memory, and look at their logs"
                ) from exc
            case ModuleNotFoundError() as exc:
                raise other_version(f"a worker of {self._address}", None, __version__) from exc
            case exc:
                raise self._lost(f"{type(exc).__name__}: {exc}") from exc

    def _lost(self, why: str) -> EngineUnavailable:
        return EngineUnavailable(
            f"the engine {self._address} was lost ({why}); see that its scheduler and workers run"
        )

    def _lose(self, why: str) -> EngineUnavailable:
        """Give the engine up: let everybody who waits know, and whoever comes."""
        lost = self._lost(why)
        if not self._gone.done():
            self._gone.set_exception(lost)
            self._gone.exception()  # somebody will ask for it, or nobody: both are fine
        return lost

    async def wait_for_workers(self, stopping: asyncio.Event) -> None:
        """Wait until there is a worker. Raises EngineUnavailable, or Interrupted where a stop comes first."""
        events = [asyncio.create_task(event.wait()) for event in (self._somebody_came, stopping)]
        awaited: list[asyncio.Future[Any]] = [*events, self._gone]
        try:
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in events:
                task.cancel()
        if self._gone.done():
            self._gone.result()
        if not self._somebody_came.is_set():
            raise Interrupted(
                f"stopped before there was a worker of {self._address}; `batch-issuer resume` goes on"
            )

    async def watch(self) -> None:
        """Look again and again who is there; when the engine is lost, let everybody who waits know."""
        alone_since = self._clock.uptime()
        is_told = False
        while not self._gone.done():
            try:
                async with asyncio.timeout(_SILENCE_SECONDS):
                    self._threads = await self._client.nthreads()
            except TimeoutError:
                self._lose(f"its scheduler has not answered for {_SILENCE_SECONDS:.0f} seconds")
            except OSError as exc:
                self._lose(f"its scheduler does not answer: {exc}")
            now = self._clock.uptime()
            if self._threads:
                self._somebody_came.set()
                alone_since, is_told = now, False
            elif now - alone_since >= _MOST_ALONE_SECONDS:
                self._lose(f"no worker has been there for {_MOST_ALONE_SECONDS / 60:.0f} minutes")
            elif now - alone_since >= _ALONE_SECONDS and not is_told:
                is_told = True
                log.warning("waiting for workers", extra={"address": self._address})
            await self._clock.tick(_LOOK_SECONDS)


class _Within:
    """An engine, for work of one site."""

    def __init__(self, engine: DaskEngine, terms: Terms) -> None:
        self._engine = engine
        self._terms = terms

    @property
    def width(self) -> int:
        return self._engine.width

    async def run(self, work: "Work[T, R]", item: T, *, waits: bool = False) -> R:
        return await self._engine._run(work, item, self._terms, waits=waits)  # noqa: SLF001 - it is the same engine
