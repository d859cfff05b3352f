"""Brings a ledger's tables up to date, inside a transaction of the caller."""

from pathlib import Path
from threading import Lock
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from batch_issuer.errors import LedgerTooNew, UsageError

_SCRIPTS: Final = Path(__file__).parent.parent / "migrations"
_TURN: Final = Lock()
"""alembic keeps what it migrates in globals, and a server may open ledgers in several threads."""


def is_current(connection: Connection, name: str) -> bool:
    """Tell whether the tables are those of this version; `name` names the ledger in errors.

    Raises LedgerTooNew where a later version has written them, and UsageError where the database holds
    the tables of another program.
    """
    scripts = ScriptDirectory(str(_SCRIPTS))
    present = MigrationContext.configure(connection).get_current_revision()
    if present not in {None, *(script.revision for script in scripts.walk_revisions())}:
        raise LedgerTooNew(str(present))
    if present is None and inspect(connection).get_table_names():
        raise UsageError(
            f"the ledger {name} holds the tables of another program, and was not changed; "
            "give the ledger a database of its own"
        )
    return present == scripts.get_current_head()


def has_tables(connection: Connection) -> bool:
    """Tell whether there are tables of a ledger, of whichever version."""
    return MigrationContext.configure(connection).get_current_revision() is not None


def migrate(connection: Connection) -> None:
    """Bring the tables up to date."""
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.attributes["connection"] = connection
    with _TURN:
        command.upgrade(config, "head")
