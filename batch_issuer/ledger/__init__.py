"""The border to the database: the durable record of batches, requests and attempts."""

from batch_issuer.ledger.batches import Batch, BatchStage
from batch_issuer.ledger.database import (
    Ledger,
    Query,
    copy_ledger,
    examine_ledger,
    ledger_exists,
    ledger_file,
    open_ledger,
)
from batch_issuer.ledger.databases import Examined, Run
from batch_issuer.ledger.journal import Journal, open_journal
from batch_issuer.ledger.leases import LeaseKey
from batch_issuer.ledger.records import Records, open_records
from batch_issuer.ledger.request_rows import RequestRows
from batch_issuer.ledger.requests import RequestRecord
from batch_issuer.ledger.transitions import Answered, Missing, Sending, Transition
from batch_issuer.ledger.unsent import Unsent
from batch_issuer.ledger.workflow_requests import Said

__all__ = [
    "Answered",
    "Batch",
    "BatchStage",
    "Examined",
    "Journal",
    "LeaseKey",
    "Ledger",
    "Missing",
    "Query",
    "Records",
    "RequestRecord",
    "RequestRows",
    "Run",
    "Said",
    "Sending",
    "Transition",
    "Unsent",
    "copy_ledger",
    "examine_ledger",
    "ledger_exists",
    "ledger_file",
    "open_journal",
    "open_ledger",
    "open_records",
]
