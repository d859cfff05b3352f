"""The lock of a batch's files: one process at a time writes them, each from what the ledger then holds."""

import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TextIO

from batch_issuer.batch.ids import BatchId
from batch_issuer.clock import Clock
from batch_issuer.errors import ReportsNotWritten

_LOCK: Final = ".reports.lock"
_SECONDS: Final = 0.2
_TRIES: Final = 1_500  # five minutes: ten million rows take about one


@asynccontextmanager
async def reports_lock(folder: Path, batch: BatchId, clock: Clock) -> AsyncIterator[None]:
    """Hold the lock, which the system frees when its holder dies; wait for whoever has it.

    Raises ReportsNotWritten where that takes too long, as with a process that is stopped, or where the
    folder can't be written.
    """
    try:
        file = (folder / _LOCK).open("w")
    except OSError as exc:
        raise ReportsNotWritten(batch, exc.strerror) from exc
    with file:
        await _wait_for(file, batch, clock)
        yield


async def _wait_for(file: TextIO, batch: BatchId, clock: Clock) -> None:
    for _ in range(_TRIES):
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await clock.sleep(_SECONDS)
        except OSError as exc:
            raise ReportsNotWritten(batch, exc.strerror) from exc
    raise ReportsNotWritten(batch, "another process writes them", remedy="wait for it to end")
