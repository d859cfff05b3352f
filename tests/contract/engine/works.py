"""Work that the suite of engines has done: functions of a module, that workers import as well."""

import asyncio
import logging
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from distributed import get_worker

from batch_issuer.site import Site


class Unpicklable(Exception):
    """An error as libraries have some: it can't be made anew from what it says."""

    def __init__(self, *, code: int) -> None:
        super().__init__(f"code {code}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A file that work leaves notes in, and a number."""

    path: Path
    number: int = 0
    seconds: float = 0

    def leave(self, text: str) -> None:
        with self.path.open("a") as file:
            file.write(f"{text}\n")

    def left(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []


async def double(note: Note) -> int:
    """Take as long as it is told to."""
    note.leave(f"{note.number}")
    await asyncio.sleep(note.seconds)
    return 2 * note.number


async def fail(error: Exception) -> None:
    """Raise what it is given."""
    raise error


async def fail_strangely(code: int) -> None:
    """Raise what can't travel."""
    raise Unpicklable(code=code)


async def fail_in_turn(note: Note) -> int:
    """Raise an error for each odd number, the later the smaller it is."""
    await asyncio.sleep(note.seconds)
    if note.number % 2:
        raise ValueError(f"number {note.number}")
    return note.number


async def go_on_for_ever(note: Note) -> None:
    """Leave a note at the start, and one at the end."""
    note.leave("begun")
    try:
        await asyncio.Event().wait()
    finally:
        note.leave("ended")


async def die_the_first_time(note: Note) -> int:
    """End the process that does it, once, as a kill or a lack of memory does."""
    if note.number == 5 and not note.left():
        note.leave("died")
        os.kill(os.getpid(), signal.SIGKILL)
    await asyncio.sleep(note.seconds)
    return note.number


async def count_others(_: object) -> int:
    """Count what else a worker of Dask does."""
    tasks = get_worker().state.tasks.values()
    return sum(task.state in {"executing", "long-running", "cancelled"} for task in tasks) - 1


async def die(_: object) -> None:
    """End the process that does it."""
    os.kill(os.getpid(), signal.SIGKILL)


async def log_password(site: Site) -> None:
    """Write to the log what must not be in it."""
    logging.getLogger("batch_issuer").warning("a secret", extra={"reason": await read_password(site)})


async def read_password(site: Site) -> str:
    """Tell which password there is where it is done."""
    password = site.settings().password
    return "" if password is None else password.get_secret_value()
