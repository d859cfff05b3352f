"""Ids of batches and requests: two kinds of request id exist, and types keep them apart."""

import hashlib
import re
from datetime import UTC, datetime
from typing import NewType

BatchId = NewType("BatchId", str)
RequestId = NewType("RequestId", str)
"""Ours; travels as `body.requestId` and is the idempotency key of the inner call."""
WorkflowRequestId = NewType("WorkflowRequestId", str)
"""The server's; `data.requestId` of its answers."""

_BATCH_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")


def make_batch_id(*, accepted_at: datetime, sha256: str) -> BatchId:
    """Name a batch after its second of acceptance (UTC) and its content."""
    return BatchId(f"{accepted_at.astimezone(UTC):%Y%m%d-%H%M%S}-{sha256[:6]}")


def is_batch_id(text: str) -> bool:
    """Tell whether a text has the form of a batch id."""
    return _BATCH_ID.fullmatch(text) is not None


def make_request_id(
    *, org_id: str, batch: BatchId, chunk: int, halvings: str = "", generation: int = 0
) -> RequestId:
    """Derive the request id of a chunk: the same facts always give the same id.

    It starts with the batch id, so that a checker recognises it, and goes on with the number of the chunk:
    what is sent together lies together in the ledger. It has 39 characters: the longest published sample
    has 40, and no limit is stated (contract, "Idempotency").
    """
    facts = "\x1f".join((org_id, batch, str(chunk), halvings, str(generation)))
    return RequestId(f"{batch}-{chunk:07x}{hashlib.sha256(facts.encode()).hexdigest()[:9]}")
