"""The databases that can hold a ledger: how each is opened, checked and brought up to date."""

from batch_issuer.ledger.databases.database import Database, Examined, Run
from batch_issuer.ledger.databases.opening import (
    copy_database,
    database_exists,
    database_file,
    examine_database,
    open_database,
)

__all__ = [
    "Database",
    "Examined",
    "Run",
    "copy_database",
    "database_exists",
    "database_file",
    "examine_database",
    "open_database",
]
