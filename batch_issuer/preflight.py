"""Looks the badges of a file up before anything is sent: each once, by its id, at the pace of all calls."""

import asyncio
from collections.abc import Collection, Iterator
from functools import partial
from typing import Final

from batch_issuer.assembly import Api
from batch_issuer.batch.badges import Badge, BadgeBook
from batch_issuer.errors import NothingAccepted
from batch_issuer.gateway import Answer, AnswerKind
from batch_issuer.tracking import View, ask

_TRIES: Final = 2
"""A server that does not answer twice will be met again when there is something to send."""


async def look_up_badges(api: Api, wanted: Collection[str]) -> BadgeBook:
    """Say what the server knows of some badges.

    Where it refuses, lacks or fails a look-up, the rest is left out, and the book's warning says so: the run
    goes on. Raises Interrupted where a stop is asked for.
    """
    view = api.view()
    looking = _LookingUp(view, wanted)
    workers = min(len(wanted), api.services.settings.concurrency)
    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(looking.work())
    if view.stopping.is_set():
        raise NothingAccepted("badges were looked up")
    return BadgeBook(badges=looking.found, today=view.clock.now(), warning=looking.warning)


class _LookingUp:
    """The badges still to look up, and what was found; shared by a few workers."""

    def __init__(self, view: View, wanted: Collection[str]) -> None:
        self._view = view
        self._number = len(wanted)
        self._left: Iterator[str] = iter(sorted(wanted))
        self._failure: Answer | None = None
        self.found: dict[str, Badge | None] = {}

    @property
    def warning(self) -> str:
        if self._failure is None:
            return ""
        share = "" if not self.found else f" ({len(self.found):,} of {self._number:,} were)"
        return f"the badges could not be looked up{share}: {self._failure.error.message}"

    async def work(self) -> None:
        for badge in self._left:
            if self._failure is not None or self._view.stopping.is_set():
                return
            answer = await ask(self._view, partial(self._view.client.look_up_badge, badge), tries=_TRIES)
            if answer.kind is AnswerKind.OK:
                self.found[badge] = answer.badge
            else:
                self._failure = answer
