"""Plans what `retry` sends: the rows of requests that were definitely refused, under new ids."""

from collections.abc import Sequence
from functools import partial
from typing import Final

import numpy as np
from sqlalchemy import Connection

from batch_issuer.assembly import Services
from batch_issuer.batch.ids import RequestId
from batch_issuer.batch.requests import IssueRequest
from batch_issuer.ledger import Batch
from batch_issuer.ledger.held_rows import iterate_others
from batch_issuer.ledger.requests import refused_requests, retire_request
from batch_issuer.ledger.unsent import load_requests
from batch_issuer.planning import renew
from batch_issuer.recording import enter_guards, when_guards_are_free
from batch_issuer.submission import Lease

_REQUESTS_IN_BLOCK: Final = 100


async def plan_retry(services: Services, lease: Lease, batch: Batch) -> tuple[int, int]:
    """Plan new requests for those that may be retried; count these, and those that may not.

    One of whose customers another batch holds by now is left as it is, in the transaction that plans it,
    for the same reason for which a new batch would not send them. The transactions are short; after a
    kill between two of them `resume` sends what is planned, and `retry` plans the rest. Raises
    BatchTakenOver, and Interrupted.
    """
    refused = await services.ledger.read(refused_requests, batch.batch)
    retriable = [record.request_id for record in refused if record.is_retriable]
    planned = 0
    for at in range(0, len(retriable), _REQUESTS_IN_BLOCK):
        block = partial(
            _retire, batch=batch, lease=lease, request_ids=retriable[at : at + _REQUESTS_IN_BLOCK]
        )
        planned += await when_guards_are_free(services, partial(lease.write_block, block))
    return planned, len(refused) - planned


def nothing_to_retry(left: int) -> str:
    """Say why nothing is retried."""
    if not left:
        return "nothing to retry: no request was refused by the server"
    return (
        f"nothing to retry: of {left:,} failed requests each either failed without a definite refusal (an "
        "inner 5xx, or 809) and may have been executed, or another batch holds its customers by now"
    )


def _retire(connection: Connection, batch: Batch, lease: Lease, request_ids: Sequence[RequestId]) -> int:
    """Let new requests take the place of some, and count them. Raises GuardsHeld."""
    enter_guards(connection, batch, lease)
    present = refused_requests(connection, batch.batch, request_ids)
    retriable = [record.request_id for record in present if record.is_retriable]
    requests = load_requests(connection, batch.batch, retriable)
    held = set() if batch.settings.get("again") else _held_elsewhere(connection, batch, requests)
    for request in requests:
        if request.request_id not in held:
            new = renew(request, org_id=batch.org_id, batch=batch.batch)
            retire_request(connection, batch.batch, request.request_id, new)
    return len(requests) - len(held)


def _held_elsewhere(connection: Connection, batch: Batch, requests: Sequence[IssueRequest]) -> set[RequestId]:
    """Name the requests of which another batch holds a customer."""
    held: set[RequestId] = set()
    for other in iterate_others(connection, batch, list({request.group for request in requests})):
        for request in requests:
            if request.group == other.group and request.request_id not in held:
                common = np.intersect1d(request.customers, other.customers)
                if len(common) and other.held_among(common).any():
                    held.add(request.request_id)
    return held
