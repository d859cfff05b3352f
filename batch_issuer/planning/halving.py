"""Halves a request that is too large for the server; the ids of the halves are as certain as its own."""

from dataclasses import replace

from batch_issuer.batch.ids import BatchId, make_request_id
from batch_issuer.batch.requests import IssueRequest


def halve(request: IssueRequest, *, org_id: str, batch: BatchId) -> tuple[IssueRequest, IssueRequest]:
    """Cut a request of two or more customers into halves, each under an id of its own."""
    middle = (len(request.customers) + 1) // 2
    first, second = (
        replace(
            request,
            halvings=request.halvings + half,
            request_id=make_request_id(
                org_id=org_id,
                batch=batch,
                chunk=request.chunk,
                halvings=request.halvings + half,
                generation=request.generation,
            ),
            customers=request.customers[part],
            rows=request.rows[part],
        )
        for half, part in (("0", slice(None, middle)), ("1", slice(middle, None)))
    )
    return first, second


def renew(request: IssueRequest, *, org_id: str, batch: BatchId) -> IssueRequest:
    """Plan the rows of a request that was refused for good under a new id, one generation later."""
    generation = request.generation + 1
    return replace(
        request,
        generation=generation,
        request_id=make_request_id(
            org_id=org_id,
            batch=batch,
            chunk=request.chunk,
            halvings=request.halvings,
            generation=generation,
        ),
    )
