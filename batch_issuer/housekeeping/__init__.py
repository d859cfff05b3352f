"""Keeps the house: prunes what is over, exports a batch for support, and backs the ledger up."""

from batch_issuer.housekeeping.backup import Backup, back_up
from batch_issuer.housekeeping.export import Export, export
from batch_issuer.housekeeping.pruning import Candidate, Fate, Pruning, find_prunable, prune

__all__ = [
    "Backup",
    "Candidate",
    "Export",
    "Fate",
    "Pruning",
    "back_up",
    "export",
    "find_prunable",
    "prune",
]
