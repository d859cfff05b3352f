"""Gives the space of what was deleted from a ledger's file back to the disk, if that is done soon."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Final

_STEPS: Final = 10_000
"""Of SQLite's own machine, from one look at the time to the next: some milliseconds."""
_WORTH_IT: Final = 0.1
"""Less than this share of a file is not worth writing all the rest anew: later batches use it."""


def give_back(file: Path, seconds: float) -> int:
    """Write a file anew without its free pages, in so many seconds at most; return the bytes given back.

    Others wait meanwhile. Where it takes longer, or the disk is too full for a second copy, or somebody
    else writes all the time, nothing changes: the free pages stay, and later batches use them.
    """
    before = file.stat().st_size
    with closing(sqlite3.connect(file, timeout=seconds, isolation_level=None)) as connection:
        free, pages = (_number(connection, f"PRAGMA {name}") for name in ("freelist_count", "page_count"))
        if free < _WORTH_IT * pages:
            return 0
        deadline = time.monotonic() + seconds
        connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
        try:
            connection.execute("VACUUM")
        except sqlite3.OperationalError:
            return 0
        connection.set_progress_handler(None, 0)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # only then the file is smaller
    return max(0, before - file.stat().st_size)


def _number(connection: sqlite3.Connection, statement: str) -> int:
    return int(connection.execute(statement).fetchone()[0])
