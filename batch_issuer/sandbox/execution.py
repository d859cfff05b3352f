"""The inner issueBulk call: the badge service behind the workflow."""

import hashlib

from batch_issuer.sandbox import fates
from batch_issuer.sandbox.fates import CustomerFate, RequestFate
from batch_issuer.sandbox.records import CustomerResult, Execution, InnerError, Record, Result
from batch_issuer.sandbox.scenario import Scenario

UNAUTHENTICATED = InnerError(status=401, code=401, message="Authentication failed")
REPEATED = InnerError(status=400, code=809, message="Request with same requestId is not allowed")
FAILURES = (
    InnerError(status=200, code=816, message="Event date is not in duration of badge meta"),
    InnerError(status=400, code=815, message="Badge meta is not live"),
    InnerError(status=500, code=500, message="All requests have failed due to errors"),
)


class BadgeService:
    """Issues badges: each inner request id runs once, and each customer holds a badge at most once."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._request_ids: set[str] = set()
        self._issues: dict[tuple[str, int], str] = {}
        self._issued = 0
        self._revoked: set[str] = set()

    def revoke(self, authorization: str) -> None:
        """Refuse every later inner call that carries this Authorization header."""
        self._revoked.add(authorization)

    def issue_bulk(self, record: Record, *, now: float) -> Execution:
        """Run the inner call of a request; what it says holds for every later call."""
        trace_id = hashlib.sha256(record.workflow_request_id.encode()).hexdigest()[:32]
        if record.authorization in self._revoked:
            return Execution(trace_id=trace_id, error=UNAUTHENTICATED)
        error = self._refusal(record)
        # A call that failed for another reason has used its id up as well.
        self._request_ids.add(record.request_id)
        if error is not None:
            return Execution(trace_id=trace_id, error=error)
        badge = record.badge_meta_id
        results = tuple(self._issue(badge, customer, now) for customer in record.customers)
        return Execution(trace_id=trace_id, results=results)

    def _refusal(self, record: Record) -> InnerError | None:
        if record.request_id in self._request_ids:
            return REPEATED
        badge, first_customer = record.badge_meta_id, record.customers[0]
        fate = fates.request_fate(self._scenario, badge=badge, first_customer=first_customer)
        if fate is not RequestFate.FAILED:
            return None
        form = fates.failure_form(
            self._scenario, badge=badge, first_customer=first_customer, forms=len(FAILURES)
        )
        return FAILURES[form]

    def _issue(self, badge: str, customer: int, now: float) -> CustomerResult:
        fate = fates.customer_fate(self._scenario, badge=badge, customer=customer)
        if fate is CustomerFate.OMITTED:
            return CustomerResult(customer_id=customer, result=Result.OMITTED, issued_id=None)
        if fate is CustomerFate.HOLDER:
            older = fates.older_issue(self._scenario, badge=badge, customer=customer)
            self._issues.setdefault((badge, customer), older)
        held = self._issues.get((badge, customer))
        if held is not None:
            return CustomerResult(customer_id=customer, result=Result.HELD, issued_id=held)
        self._issued += 1
        issued_id = f"{int(now):08x}{self._issued:016x}"
        self._issues[badge, customer] = issued_id
        return CustomerResult(customer_id=customer, result=Result.ISSUED, issued_id=issued_id)
