"""Checks, plans and records a file in parts: an engine does the pieces, the ledger holds what they give."""

from batch_issuer.spread.way import InParts

__all__ = ["InParts"]
