"""The border to the database: the durable record of batches, requests and attempts."""

from batch_issuer.ledger.batches import Batch, BatchStage
from batch_issuer.ledger.database import Ledger, open_ledger
from batch_issuer.ledger.journal import Journal, open_journal, see_through
from batch_issuer.ledger.requests import RequestRecord, RequestRows
from batch_issuer.ledger.transitions import Answered, Said, Sending, Transition

__all__ = [
    "Answered",
    "Batch",
    "BatchStage",
    "Journal",
    "Ledger",
    "RequestRecord",
    "RequestRows",
    "Said",
    "Sending",
    "Transition",
    "open_journal",
    "open_ledger",
    "see_through",
]
