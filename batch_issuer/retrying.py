"""Plans what `retry` sends: the rows of requests that were definitely refused, under new ids."""

import numpy as np
from sqlalchemy import Connection

from batch_issuer.batch.requests import IssueRequest
from batch_issuer.ledger import Batch
from batch_issuer.ledger.held_rows import iterate_others
from batch_issuer.ledger.requests import load_requests, refused_requests, retire_request
from batch_issuer.planning import renew
from batch_issuer.recording import enter_guards
from batch_issuer.submission import Lease


def plan_retry(connection: Connection, batch: Batch, lease: Lease) -> tuple[int, int]:
    """Plan new requests for those that may be retried; count these, and those that may not.

    One of whose customers another batch holds by now is left as it is, in the transaction that plans,
    for the same reason for which a new batch would not send them. Raises GuardsHeld.
    """
    enter_guards(connection, batch, lease)
    refused = refused_requests(connection, batch.batch)
    retriable = [record.request_id for record in refused if record.is_retriable]
    planned = 0
    for request in load_requests(connection, batch.batch, retriable):
        if batch.settings.get("again") or not _is_held_elsewhere(connection, batch, request):
            new = renew(request, org_id=batch.org_id, batch=batch.batch)
            retire_request(connection, batch.batch, request.request_id, new)
            planned += 1
    return planned, len(refused) - planned


def nothing_to_retry(left: int) -> str:
    """Say why nothing is retried."""
    if not left:
        return "nothing to retry: no request was refused by the server"
    return (
        f"nothing to retry: of {left:,} failed requests each either failed without a definite refusal (an "
        "inner 5xx, or 809) and may have been executed, or another batch holds its customers by now"
    )


def _is_held_elsewhere(connection: Connection, batch: Batch, request: IssueRequest) -> bool:
    for other in iterate_others(connection, batch, [request.group]):
        common = np.intersect1d(request.customers, other.customers)
        if len(common) and other.held_among(common).any():
            return True
    return False
