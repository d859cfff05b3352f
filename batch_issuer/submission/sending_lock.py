"""Keeps two processes from sending one batch: a lock that the system frees when its holder dies."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batch_issuer.batch.ids import BatchId
from batch_issuer.errors import BatchInUse


@contextmanager
def sending_lock(folder: Path, batch: BatchId) -> Iterator[None]:
    """Hold the right to send a batch. Raises BatchInUse where another process holds it."""
    with (folder / ".sending.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise BatchInUse(batch) from exc
        yield
