"""A world whose process can die at a moment that the test names, and with what a dead process leaves."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum, auto
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from batch_issuer.assembly import Services
from batch_issuer.errors import Interrupted
from batch_issuer.processes import this_process
from batch_issuer.reports import Summary
from batch_issuer.sandbox import Sandbox
from tests.pipeline.world import MovedTime, World

_TURNS_UNTIL_QUIET = 30
_NO_PID = 2**30
"""Above what any system gives."""


class Moment(StrEnum):
    """What a process may be at when it ends."""

    POST_ARRIVES = auto()
    POST_ANSWERED = auto()
    LIST_ARRIVES = auto()
    LIST_ANSWERED = auto()
    CLOCK_READ = auto()
    PROGRESS = auto()
    LOOP_TURN = auto()


class End(StrEnum):
    """How a process ends."""

    ASKED = auto()
    """As by SIGTERM: it may finish what is under way."""
    CANCELLED = auto()
    """As by a second signal: only a write that is under way is seen through."""
    KILLED = auto()
    """As by SIGKILL: nothing that it did afterwards has happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """How a process ends, and when: at the so many-th such moment, where it lives as long."""

    end: End
    moment: Moment
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One POST of a request, as the server saw it; without a status nothing came back."""

    request_id: str
    customers: tuple[int, ...]
    is_known: bool
    """The server had accepted the request before."""
    status: int | None


class WatchedTime(MovedTime):
    """Tells who looks at the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.tell: Callable[[Moment], None] = _nobody

    def now(self) -> datetime:
        self.tell(Moment.CLOCK_READ)
        return self.instant


class WatchedSandbox(Sandbox):
    """Tells of each call, remembers each POST, and is deaf to a caller that is dead."""

    def __init__(self, **choices: Any) -> None:
        super().__init__(**choices)
        self.tell: Callable[[Moment], None] = _nobody
        self.is_deaf = False
        self.delivered: list[Post] = []

    def forget_faults(self) -> None:
        self._script._queues.clear()

    def _app(self) -> web.Application:
        app = super()._app()
        app.middlewares.insert(0, self._watch)
        return app

    @web.middleware
    async def _watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        arrives, answered = _MOMENTS.get(request.method, (None, None))
        if arrives is not None:
            self.tell(arrives)
        if self.is_deaf:
            return _broken(request)
        response = await (self._post(request, handler) if request.method == "POST" else handler(request))
        if answered is not None:
            self.tell(answered)
        return response

    async def _post(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        task = orjson.loads(await request.read())["payload"]["IntouchAPITask-Payload"]
        request_id = task["body"]["requestId"]
        is_known = any(record.request_id == request_id for record in self.requests)
        status = None
        try:
            response = await handler(request)
            status = response.status if request.transport is not None else None
        finally:
            customers = tuple(task["body"]["customers"])
            self.delivered.append(
                Post(request_id=request_id, customers=customers, is_known=is_known, status=status)
            )
        return response


_MOMENTS = {
    "POST": (Moment.POST_ARRIVES, Moment.POST_ANSWERED),
    "GET": (Moment.LIST_ARRIVES, Moment.LIST_ANSWERED),
}


def _broken(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _nobody(_: Moment) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedProgress:
    """Tells of each step that a user would see."""

    tell: Callable[[Moment], None]

    def rows_checked(self, _count: int) -> None:
        self.tell(Moment.PROGRESS)

    def requests_planned(self, _count: int) -> None:
        self.tell(Moment.PROGRESS)

    def request_at_rest(self) -> None:
        self.tell(Moment.PROGRESS)


class Image:
    """A folder as it was at one moment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[Path, bytes] = {}
        # What a log says again does no harm; what it no longer says would be lost: so it is read first.
        for path in sorted(folder.rglob("*"), key=lambda path: not path.name.endswith("-wal")):
            with suppress(FileNotFoundError, IsADirectoryError):
                if not path.name.endswith("-shm"):
                    self._files[path] = path.read_bytes()

    def restore(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        for path, content in self._files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


@dataclass(slots=True, kw_only=True)
class MortalWorld(World):
    """Runs each command as a process of its own, which may die."""

    sandbox: WatchedSandbox
    time: WatchedTime
    _threads: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self._start_threads()

    async def live(
        self, work: Callable[[Services], Awaitable[Summary]], death: Death | None = None
    ) -> Summary | None:
        """Run a command, and give its result unless it died before."""
        self.stopping = asyncio.Event()
        self.process = replace(this_process(), pid=_NO_PID)  # as the next one must see it: gone
        reaper = _Reaper(self, death)
        self.progress = WatchedProgress(tell=reaper.tell)
        self.time.tell = self.sandbox.tell = reaper.tell
        try:
            return await reaper.watch(asyncio.ensure_future(self.run(work)))
        finally:
            self.time.tell = self.sandbox.tell = _nobody
            await self._bury()
            if reaper.image is not None:
                reaper.image.restore()
            self.sandbox.is_deaf = False

    async def _bury(self) -> None:
        """Let the threads of the process end, and all of it that is still on its way to the server."""
        self._threads.shutdown()
        self._start_threads()
        for _ in range(_TURNS_UNTIL_QUIET):
            await asyncio.sleep(0)

    def _start_threads(self) -> None:
        self._threads = ThreadPoolExecutor(4)
        asyncio.get_running_loop().set_default_executor(self._threads)


class _Reaper:
    """Ends a process at its moment."""

    def __init__(self, world: MortalWorld, death: Death | None) -> None:
        self.image: Image | None = None
        self._world = world
        self._death = death
        self._left = 0 if death is None else death.count
        self._process: asyncio.Future[Summary] | None = None

    def tell(self, moment: Moment) -> None:
        if self._death is None or moment is not self._death.moment or self._left <= 0:
            return
        self._left -= 1
        if not self._left and self._process is not None and not self._process.done():
            self._strike(self._death.end, self._process)

    def _strike(self, end: End, process: asyncio.Future[Summary]) -> None:
        if end is End.ASKED:
            self._world.stopping.set()
            return
        if end is End.KILLED:
            self.image = Image(self._world.output)
            self._world.sandbox.is_deaf = True
        process.cancel()

    async def watch(self, process: asyncio.Future[Summary]) -> Summary | None:
        self._process = process
        turning = asyncio.create_task(self._turn())
        try:
            summary: Summary | None = await process
        except asyncio.CancelledError:
            assert self._is_struck
            return None
        except Interrupted:
            assert self._is_struck
            return None
        finally:
            turning.cancel()
        return None if self.image is not None else summary

    @property
    def _is_struck(self) -> bool:
        return self._death is not None and not self._left

    async def _turn(self) -> None:
        """Count the turns of the loop, while anybody wants to know them."""
        while self._death is not None and self._death.moment is Moment.LOOP_TURN and self._left:
            await asyncio.sleep(0)
            self.tell(Moment.LOOP_TURN)
