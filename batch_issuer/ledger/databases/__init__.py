"""The databases that can hold a ledger: how each is opened, checked and brought up to date."""

from batch_issuer.ledger.databases.database import Database, Run
from batch_issuer.ledger.databases.opening import copy_database, database_exists, open_database

__all__ = ["Database", "Run", "copy_database", "database_exists", "open_database"]
