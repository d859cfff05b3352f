"""Copies a ledger's file while others write it, and takes a copy that was restored for what it is.

A restored ledger does not know what was sent since it was copied. So a copy carries a mark, and whoever
opens it as a ledger first has it forget what can't be relied on any more.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, delete, select, update

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.batch.outcomes import Outcome
from batch_issuer.batch.stages import Stage
from batch_issuer.errors import UsageError
from batch_issuer.ledger import tables
from batch_issuer.ledger.audit import Action, Entry, Via, append

_MARK: Final = 1
"""The `user_version` of a copy that nobody has opened as a ledger yet; a ledger has 0."""
_PAGES: Final = 2_000
"""8 MB at once, between two looks at whether to stop."""
_OTHER_TIMELINE: Final = -1
"""That of no file: what seems unsent is looked up before it is sent."""


def copy_file(source: Path, target: Path, *, on_pages: Callable[[], None]) -> None:
    """Copy a ledger's file, as it is at this moment, into an empty file; nobody waits for it.

    `on_pages` is called again and again, and may raise to stop. Raises UsageError where the file can't be
    read, or turns out to be damaged.
    """
    try:
        with closing(_reading(source)) as ledger, closing(sqlite3.connect(target)) as copy:
            ledger.execute("BEGIN")
            # one view for the whole copy: else it would begin anew whenever somebody writes meanwhile
            ledger.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            ledger.backup(copy, pages=_PAGES, progress=lambda *_: on_pages())
            copy.isolation_level = None
            copy.execute("PRAGMA journal_mode=DELETE").fetchone()  # one file, without a log beside it
            found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise UsageError(f"the ledger {source} is damaged ({found}); no backup of it was kept")
            copy.execute(f"PRAGMA user_version={_MARK}")
    except sqlite3.Error as exc:
        raise UsageError(f"the ledger {source} can't be copied ({exc})") from exc


def _reading(source: Path) -> sqlite3.Connection:
    # nothing is migrated, and nothing written: a backup comes before an upgrade
    return sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)


def is_backup(connection: Connection) -> bool:
    """Tell whether a file is a copy that nobody has opened as a ledger yet."""
    return bool(connection.exec_driver_sql("PRAGMA user_version").scalar_one() == _MARK)


def forget_since_backup(connection: Connection, *, at: str) -> None:
    """Have a restored ledger forget what may have changed since it was copied.

    What seems unsent is looked up before it is sent. What was refused may have been retried, under an id
    that is not known here: it counts as failed beyond retry, so that no other batch issues it either.
    What the console was asked for is over: somebody may have done it meanwhile, and can look.
    Who was signed in must sign in again, and tokens are revoked: that may have been done to them meanwhile.
    """
    known = tables.requests.c
    connection.execute(update(tables.batches).values(timeline=_OTHER_TIMELINE))
    connection.execute(
        update(tables.requests)
        .where(known.stage == Stage.REFUSED)
        .values(stage=Stage.SUBMITTED, outcome=Outcome.FAILED, is_final=1)
    )
    connection.execute(update(tables.requests).where(known.outcome == Outcome.FAILED).values(is_definite=0))
    _end_runs(connection, at)
    _let_nobody_in(connection, at)
    connection.exec_driver_sql("PRAGMA user_version=0")


def _end_runs(connection: Connection, at: str) -> None:
    message = "the ledger was restored from a backup before this had ended; look at how the batch stands"
    ended = {"ended_at": at, "exit_code": int(ExitCode.NOT_FINISHED), "message": message, "occupies": None}
    connection.execute(update(tables.runs).where(tables.runs.c.ended_at == "").values(**ended))


def _let_nobody_in(connection: Connection, at: str) -> None:
    connection.execute(delete(tables.sessions))
    known = tables.tokens.c
    valid = connection.execute(select(known.token).where(known.revoked_at == "")).scalars().all()
    connection.execute(update(tables.tokens).where(known.token.in_(valid)).values(revoked_at=at))
    for token in valid:
        detail = {"reason": "the ledger was restored from a backup"}
        append(
            connection,
            Entry(at=at, user="", via=Via.SERVER, action=Action.TOKEN_REVOKED, about=token, detail=detail),
        )
