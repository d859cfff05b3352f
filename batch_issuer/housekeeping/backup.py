"""Backs a ledger up while others work with it."""

import asyncio
import shlex
from dataclasses import dataclass
from pathlib import Path

from batch_issuer.addresses import without_password
from batch_issuer.clock import Clock
from batch_issuer.errors import Interrupted, UsageError
from batch_issuer.housekeeping.places import placed
from batch_issuer.ledger import copy_ledger, ledger_exists
from batch_issuer.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A copy of a ledger that is complete, and was checked."""

    path: Path
    bytes: int


async def back_up(settings: Settings, *, to: Path | None, clock: Clock, stopping: asyncio.Event) -> Backup:
    """Copy the ledger to a file that only its owner can read, never over another.

    The ledger is read as it is: it is not migrated, and nobody has to wait. Raises UsageError where there is
    none, it is on a server or damaged, or the file can't be written, and Interrupted.
    """
    path = to or settings.output / "backups" / f"ledger-{clock.now():%Y%m%d-%H%M%S}.db"
    if settings.ledger_url.startswith("postgresql"):
        raise UsageError(_advice(settings, path))
    if not ledger_exists(settings.ledger_url):
        raise UsageError(f"there is no ledger yet at {settings.ledger_url}; nothing to back up")

    def look_for_stop() -> None:
        if stopping.is_set():
            raise Interrupted("stopped before the backup was complete; nothing of it was kept")

    def copy() -> Backup:
        with placed(path) as beside:
            copy_ledger(settings.ledger_url, beside, on_pages=look_for_stop)
            size = beside.stat().st_size
        return Backup(path=path, bytes=size)

    return await asyncio.to_thread(copy)


def _advice(settings: Settings, path: Path) -> str:
    url, file = without_password(settings.ledger_url), path.with_suffix(".dump")
    command = shlex.join(["pg_dump", "--format=custom", f"--file={file}", url.replace(":***@", "@", 1)])
    return f"the ledger is on a PostgreSQL server, which makes its own backups; run: {command}"
