"""Checks, plans and records a file in parts: pieces of work that an engine does, and the ledger between them."""

from batch_issuer.spread.way import InParts

__all__ = ["InParts"]
