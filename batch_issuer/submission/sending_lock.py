"""Keeps two processes from sending one batch: a lock that the system frees when its holder dies."""

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from batch_issuer.batch.ids import BatchId
from batch_issuer.errors import BatchInUse, OutputNotWritable


@contextmanager
def sending_lock(folder: Path, batch: BatchId) -> Iterator[None]:
    """Hold the right to send a batch. Raises BatchInUse where another process holds it."""
    with ExitStack() as stack:
        try:
            file = stack.enter_context((folder / ".sending.lock").open("w"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise BatchInUse(batch) from exc
        except OSError as exc:
            raise OutputNotWritable(folder, exc.strerror) from exc
        yield
