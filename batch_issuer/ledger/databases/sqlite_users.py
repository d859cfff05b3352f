"""Who uses a ledger's file: openers take turns, and each user is known to the next one who opens it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Users:
    """A place among those who use a file, held until it is closed or the process ends, however it ends.

    It is a lock on an empty file beside it, which stays. The database's own file would not do: to close
    any descriptor of that drops the locks that SQLite holds on it for the whole process.
    """

    def __init__(self, file: Path) -> None:
        """Take a file that need not be there yet; nobody is registered before `is_alone`."""
        self._place = file.with_name(f".{file.name}.users")
        self._handle: int | None = None

    def is_alone(self) -> bool:
        """Tell whether nobody else uses the file for certain, and let nobody else find out until `share`.

        Where the file system has no locks, or the file can't be made, nothing is certain.
        """
        try:
            self._handle = os.open(self._place, os.O_RDONLY | os.O_CREAT, 0o666)
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def share(self) -> None:
        """Take a place beside others."""
        if self._handle is not None:
            with suppress(OSError):  # as in `is_alone`
                fcntl.flock(self._handle, fcntl.LOCK_SH)

    def close(self) -> None:
        """Leave."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Let programs open a ledger one after another: two that turn a new file to WAL at once collide."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # a file system without locks: the database's own must do
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
