"""Streams of events: one reader for all who watch the same thing, and the latest news for each of them."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from aiohttp import hdrs, web

from batch_issuer.errors import BatchIssuerError
from batch_issuer.web.console import STOPPING
from batch_issuer.web.visitors import visitor_of

log = logging.getLogger(__name__)

_CONTENT_TYPE: Final = "text/event-stream"
_AGAIN_MS: Final = 2_000
"""So long a browser waits before it connects again."""
_MOST_WATCHERS: Final = 1_000
_MOST_OF_ONE: Final = 200
"""So many pages one user may have open: the others need room, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What there is to tell: the data of each event, and when to look again."""

    events: Mapping[str, str]
    pause_seconds: float


Read = Callable[[], Awaitable[News]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tempo:
    """How patient streams are."""

    heartbeat_seconds: float = 15.0
    longest_seconds: float = 600.0
    """Then the browser connects anew: whoever is not allowed to look any more finds out."""
    slow_seconds: float = 20.0
    """Who takes nothing for so long is dropped, and connects anew."""


class _Listener:
    """One open page: what it was not told yet, only the latest of each event."""

    def __init__(self, seen: Mapping[str, str]) -> None:
        self.is_told = asyncio.Event()
        self._seen = dict(seen)
        self._news: dict[str, str] = {}

    def tell(self, events: Mapping[str, str]) -> None:
        new = {name: data for name, data in events.items() if self._seen.get(name) != data}
        self._news.update(new)
        self._seen.update(new)
        if self._news:
            self.is_told.set()

    def take(self) -> dict[str, str]:
        news, self._news = self._news, {}
        self.is_told.clear()
        return news


@dataclass(slots=True, kw_only=True, eq=False)
class _Watched:
    """One thing that some pages watch."""

    read: Read
    listeners: set[_Listener] = field(default_factory=set)
    latest: Mapping[str, str] = field(default_factory=dict)
    look_now: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Hub:
    """Reads each thing that is watched once for all who watch it, for as long as anybody does."""

    def __init__(self, tempo: Tempo | None = None, *, most_of_one: int = _MOST_OF_ONE) -> None:
        """Watch nothing yet."""
        self.tempo = tempo or Tempo()
        self._most_of_one = most_of_one
        self._places: Counter[str] = Counter()
        self._watched: dict[str, _Watched] = {}

    @property
    def watchers(self) -> int:
        """How many pages watch anything."""
        return sum(len(one.listeners) for one in self._watched.values())

    @contextmanager
    def place_for(self, user: str) -> Iterator[None]:
        """Let a user watch one thing more. Raises HTTPServiceUnavailable where there is no room."""
        if self._places.total() >= _MOST_WATCHERS or self._places[user] >= self._most_of_one:
            raise web.HTTPServiceUnavailable(text="Too many pages are open; load this one again later.")
        self._places[user] += 1
        try:
            yield
        finally:
            self._places -= Counter({user: 1})

    def look_now(self, key: str) -> None:
        """Look at once: something has changed."""
        if key in self._watched:
            self._watched[key].look_now.set()

    def join(self, key: str, read: Read, seen: Mapping[str, str]) -> _Listener:
        """Begin to listen; `seen` is what the page knows already."""
        watched = self._watched.get(key)
        if watched is None:
            watched = self._watched[key] = _Watched(read=read)
            watched.task = asyncio.create_task(self._watch(watched), name=f"watch {key}")
        listener = _Listener(seen)
        listener.tell(watched.latest)
        watched.listeners.add(listener)
        return listener

    def leave(self, key: str, listener: _Listener) -> None:
        """Listen no more."""
        watched = self._watched.get(key)
        if watched is None:
            return
        watched.listeners.discard(listener)
        if not watched.listeners:
            del self._watched[key]
            if watched.task is not None:
                watched.task.cancel()

    async def close(self) -> None:
        """Read nothing any more."""
        tasks = [one.task for one in self._watched.values() if one.task is not None]
        self._watched.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _watch(self, watched: _Watched) -> None:
        pause = 1.0
        while True:
            watched.look_now.clear()
            try:
                news = await watched.read()
            except BatchIssuerError as exc:  # the ledger is away: pages keep what they show
                log.warning("what is watched can't be read", extra={"reason": type(exc).__name__})
            else:
                watched.latest, pause = news.events, news.pause_seconds
                for listener in watched.listeners:
                    listener.tell(watched.latest)
            await _wait(watched.look_now, pause)


HUB: Final = web.AppKey("hub", Hub)


async def close_hub(app: web.Application) -> None:
    """Read nothing any more, when the console closes."""
    await app[HUB].close()


async def stream(request: web.Request, key: str, read: Read, seen: Mapping[str, str]) -> web.StreamResponse:
    """Tell a page what changes, until it goes, the console closes, or it is time to connect anew."""
    hub = request.app[HUB]
    headers = {hdrs.CONTENT_TYPE: _CONTENT_TYPE, "X-Accel-Buffering": "no"}  # proxies must pass events on
    response = web.StreamResponse(headers=headers)
    with hub.place_for(visitor_of(request).user):
        await response.prepare(request)
        listener = hub.join(key, read, seen)
        try:
            await _tell(response, listener, request.app[STOPPING], hub.tempo)
        except (TimeoutError, ConnectionError):
            pass  # it has gone, or takes nothing: it will connect anew
        finally:
            hub.leave(key, listener)
    return response


async def _tell(
    response: web.StreamResponse, listener: _Listener, stopping: asyncio.Event, tempo: Tempo
) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + tempo.longest_seconds
    await response.write(f"retry: {_AGAIN_MS}\n\n".encode())
    stop = asyncio.create_task(stopping.wait())
    try:
        while not stopping.is_set() and loop.time() < end:
            told = asyncio.create_task(listener.is_told.wait())
            await asyncio.wait(
                {told, stop}, timeout=tempo.heartbeat_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            told.cancel()
            async with asyncio.timeout(tempo.slow_seconds):
                await response.write(_written(listener.take()))
    finally:
        stop.cancel()


def _written(events: Mapping[str, str]) -> bytes:
    """Write events as the stream has them; of none a comment, which shows that the stream lives."""
    if not events:
        return b": still here\n\n"
    return "".join(_event(name, data) for name, data in events.items()).encode()


def _event(name: str, data: str) -> str:
    lines = data.splitlines() or [""]
    return f"event: {name}\n" + "".join(f"data: {line}\n" for line in lines) + "\n"


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
