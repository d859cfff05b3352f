"""Keeps two processes from working on one batch: locks that the system frees when their holder dies."""

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from batch_issuer.batch.ids import BatchId, is_batch_id
from batch_issuer.errors import BatchInUse, OutputNotWritable

_LOCK: Final = ".sending.lock"
_RECORDING_LOCK: Final = ".recording.lock"


def sent_folders(output: Path) -> list[str]:
    """Name the batches below the output folder whose sending has begun at some time."""
    locks = output.glob(f"*/{_LOCK}")
    return sorted(lock.parent.name for lock in locks if is_batch_id(lock.parent.name))


@contextmanager
def sending_lock(folder: Path, batch: BatchId) -> Iterator[None]:
    """Hold the right to send a batch. Raises BatchInUse where another process holds it."""
    with _held(folder / _LOCK, batch):
        yield


@contextmanager
def recording_lock(folder: Path, batch: BatchId) -> Iterator[None]:
    """Hold the right to record a batch. Raises BatchInUse where another process holds it."""
    with _held(folder / _RECORDING_LOCK, batch):
        yield


@contextmanager
def _held(path: Path, batch: BatchId) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("w"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise BatchInUse(batch) from exc
        except OSError as exc:
            raise OutputNotWritable(path.parent, exc.strerror) from exc
        yield
