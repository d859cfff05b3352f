"""The workflow engine: accepts requests, lets checkers decide, has the inner call made."""

import heapq
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from batch_issuer.sandbox import fates
from batch_issuer.sandbox.execution import BadgeService
from batch_issuer.sandbox.fates import RequestFate
from batch_issuer.sandbox.records import Decision, Record, State, Verdict
from batch_issuer.sandbox.refusals import AlreadyDecidedError, UnknownRequestError
from batch_issuer.sandbox.scenario import Scenario

Clock = Callable[[], float]

_INVISIBLE_CHECKER = "decided by the sandbox"
_GREGORIAN_TICKS_AT_EPOCH = 0x01B21DD213814000


class Engine:
    """Keeps every workflow request; an invisible checker's decisions that are due come before all else."""

    def __init__(self, *, scenario: Scenario, clock: Clock) -> None:
        self._scenario = scenario
        self._clock = clock
        self._service = BadgeService(scenario)
        self._records: dict[str, Record] = {}
        self._due: list[tuple[float, int, str]] = []

    def revoke(self, authorization: str) -> None:
        """Refuse every later inner call that carries this Authorization header."""
        self._service.revoke(authorization)

    @property
    def records(self) -> tuple[Record, ...]:
        """Give all requests in order of acceptance."""
        self._settle()
        return tuple(self._records.values())

    def find(self, workflow_request_id: str) -> Record:
        """Give one request as it stands; raise UnknownRequestError where there is none."""
        self._settle()
        try:
            return self._records[workflow_request_id]
        except KeyError:
            raise UnknownRequestError from None

    def submit(self, document: Mapping[str, Any]) -> Record:
        """Open a new request, also for a repeated inner request id; auto-approval executes it at once."""
        self._settle()
        now, number = self._clock(), len(self._records) + 1
        record = Record(
            number=number,
            workflow_request_id=_version_1_uuid(now, number),
            entity=document["entityInfo"],
            task=document["payload"]["IntouchAPITask-Payload"],
            accepted_at=now,
        )
        if self._scenario.approves_at_once:
            record = self._execute(record, now)
        else:
            self._expect_decision(record)
        return self._keep(record)

    def decide(self, workflow_request_id: str, decision: Decision) -> Record:
        """Take a checker's decision on a request that waits; raise AlreadyDecidedError for any other."""
        record = self.find(workflow_request_id)
        if record.state is not State.WAITING:
            raise AlreadyDecidedError(state=record.state)
        return self._decide(record, decision, self._clock())

    def _settle(self) -> None:
        now = self._clock()
        while self._due and self._due[0][0] <= now:
            due_at, _, workflow_request_id = heapq.heappop(self._due)
            record = self._records[workflow_request_id]
            if record.state is State.WAITING:
                self._decide(
                    record, Decision(verdict=self._verdict(record), message=_INVISIBLE_CHECKER), due_at
                )

    def _expect_decision(self, record: Record) -> None:
        delay = self._scenario.decide_after_seconds
        if delay is not None and self._fate(record) is not RequestFate.LEFT:
            heapq.heappush(self._due, (record.accepted_at + delay, record.number, record.workflow_request_id))

    def _verdict(self, record: Record) -> Verdict:
        return "rejected" if self._fate(record) is RequestFate.REJECTED else "approved"

    def _fate(self, record: Record) -> RequestFate:
        return fates.request_fate(
            self._scenario, badge=record.badge_meta_id, first_customer=record.customers[0]
        )

    def _decide(self, record: Record, decision: Decision, now: float) -> Record:
        decided = replace(record, decision=decision)
        if decision.verdict == "rejected":
            return self._keep(replace(decided, state=State.REJECTED, ended_at=now))
        return self._keep(self._execute(decided, now))

    def _execute(self, record: Record, now: float) -> Record:
        execution = self._service.issue_bulk(record, now=now)
        state = State.APPROVED if execution.error is None else State.FAILED
        return replace(record, state=state, execution=execution, ended_at=now)

    def _keep(self, record: Record) -> Record:
        self._records[record.workflow_request_id] = record
        return record


def _version_1_uuid(now: float, number: int) -> str:
    # Samples are version-1 UUIDs; a counter in place of the network card tells two of one moment apart.
    ticks = int(now * 10_000_000) + _GREGORIAN_TICKS_AT_EPOCH
    low, middle, high = ticks & 0xFFFFFFFF, ticks >> 32 & 0xFFFF, ticks >> 48 & 0x0FFF | 0x1000
    return str(uuid.UUID(fields=(low, middle, high, 0x80, 0x00, number)))
