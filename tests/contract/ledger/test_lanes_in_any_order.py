"""Lanes that are taken, die, sleep and wake in any order: a request is never two lanes', and none is lost."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection

from batch_issuer.batch.ids import RequestId
from batch_issuer.batch.stages import Stage
from batch_issuer.errors import BatchTakenOver
from batch_issuer.ledger import LeaseKey, Ledger, Missing, Unsent, open_ledger
from batch_issuer.ledger.lanes import end_runs
from batch_issuer.ledger.leases import release_lease, take_lease
from batch_issuer.ledger.requests import requests_in_doubt
from batch_issuer.ledger.transitions import apply_transitions, mark_interrupted
from batch_issuer.processes import this_process
from tests.conftest import BATCH, KEY, FakeClock, make_request, plan
from tests.contract.ledger.road import GONE, LATER, MOST, RUN, Road, lane

T = TypeVar("T")
LANES, REQUESTS = 3, 6
ENDS = (Stage.SUBMITTED, Stage.REFUSED, Stage.NOT_SENT, Stage.IN_DOUBT, Stage.SPLIT)
UNSENT = ("not_sent", "sending")
TABLES = ("attempts", "request_rows", "workflow_requests", "requests", "batches", "leases")
numbers = st.integers(0, LANES - 1)


@dataclass(slots=True, kw_only=True)
class Driver:
    """Somebody who drives a lane, or believes to."""

    key: LeaseKey
    run: LeaseKey
    sending: str
    is_gone: bool
    claimed: dict[RequestId, Unsent] = field(default_factory=dict)
    sent: dict[RequestId, Unsent] = field(default_factory=dict)


class AnyOrder(RuleBasedStateMachine):
    """Whoever drives a lane may wake at any time and go on with what it knew."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.time = FakeClock()
        self.runner = asyncio.Runner()
        self.opened = open_ledger(self.url, self.time.clock)
        self.ledger: Ledger = self.do(self.opened.__aenter__())
        self.ledger._database = replace(self.ledger._database, now=lambda _: self.time.at)
        self.road = Road(self.ledger, self.time)
        self.drivers: list[Driver] = []
        self.runs = 0
        self.do(self.ledger.write(_empty))
        self.do(plan(self.ledger, [make_request(chunk=number + 1) for number in range(REQUESTS)]))
        self.begin()

    def do(self, work: Awaitable[T]) -> T:
        async def doing() -> T:
            return await work

        return self.runner.run(doing())

    def begin(self) -> None:
        self.runs += 1
        self.run = replace(RUN, owner=f"run {self.runs}")
        self.sending = f"sending {self.runs}"
        self.do(self.road.begin(self.run))

    # Who drives

    @rule(number=numbers, is_gone=st.booleans())
    def take(self, number: int, is_gone: bool) -> None:  # noqa: FBT001 - by name
        key = lane(number, f"driver {len(self.drivers)}")
        process = GONE if is_gone else this_process()
        try:
            holder = self.do(self.road.take(key, process, self.run))
        except BatchTakenOver:
            return
        if holder is None:
            driver = Driver(key=key, run=self.run, sending=self.sending, is_gone=is_gone)
            self.drivers.append(driver)

    def any_driver(self, number: int) -> Driver:
        return self.drivers[number % len(self.drivers)]

    @precondition(lambda self: self.drivers)
    @rule(number=st.integers(0, 30), limit=st.integers(1, 4))
    def claim(self, number: int, limit: int) -> None:
        driver = self.any_driver(number)
        try:
            found = self.do(self.road.claim(driver.key, limit, sending=driver.sending, run=driver.run))
        except BatchTakenOver:
            return
        for unsent in found or []:
            assert unsent.spent < MOST
            driver.claimed[unsent.request.request_id] = unsent

    @precondition(lambda self: self.drivers)
    @rule(number=st.integers(0, 30))
    def send(self, number: int) -> None:
        driver = self.any_driver(number)
        if not driver.claimed:
            return
        request_id = next(iter(driver.claimed))
        unsent = driver.claimed.pop(request_id)
        try:
            self.do(self.road.send(driver.key, unsent))
        except BatchTakenOver:
            return
        driver.sent[request_id] = unsent

    @precondition(lambda self: self.drivers)
    @rule(number=st.integers(0, 30), stage=st.sampled_from(ENDS))
    def answer(self, number: int, stage: Stage) -> None:
        driver = self.any_driver(number)
        if not driver.sent:
            return
        request_id = next(iter(driver.sent))
        unsent = driver.sent.pop(request_id)
        if stage is Stage.SPLIT and len(unsent.request.customers) < 2:
            stage = Stage.REFUSED
        self.do(self.road.answer(driver.key, unsent, stage))

    @precondition(lambda self: self.drivers)
    @rule(number=st.integers(0, 30))
    def end(self, number: int) -> None:
        driver = self.any_driver(number)
        self.do(self.road.end(driver.key))
        driver.claimed.clear()

    # What goes on around them

    @rule(seconds=st.sampled_from([5, 61]))
    def time_goes_on(self, seconds: int) -> None:
        self.time.advance(seconds)

    @rule()
    def somebody_looks(self) -> None:
        self.do(self.road.look())

    @rule()
    def doubts_are_resolved(self) -> None:
        self._resolve()

    @rule()
    def the_client_dies_and_another_takes_over_as_soon_as_no_lane_is_alive(self) -> None:
        if not self.do(self.ledger.write(end_runs, BATCH, self.road.claim_of(), at=LATER)).held:
            self.do(self.ledger.write(mark_interrupted, BATCH, LATER))
            self.begin()
        else:  # it died before that
            self.run = replace(self.run, owner="nobody's")

    def _resolve(self) -> None:
        self.do(self.ledger.write(release_lease, KEY))
        self.do(self.ledger.write(take_lease, KEY, self.road.claim_of()))
        for record, _ in self.do(self.ledger.read(requests_in_doubt, BATCH)):
            missing = Missing(lease=KEY, request_id=record.request_id, at=LATER)
            self.do(self.ledger.write(apply_transitions, [missing]))

    # What must hold all the time

    def _requests(self) -> list[tuple[str, str, str, str]]:
        query = "select request_id, stage, owner, claimed_in from requests"
        return self.do(self.ledger.read(lambda c: [tuple(row) for row in c.exec_driver_sql(query)]))

    def _held(self) -> set[str]:
        query = "select owner from leases where substr(name, 1, 5) = 'lane ' and owner <> ''"
        return self.do(self.ledger.read(lambda c: set(c.exec_driver_sql(query).scalars())))

    @invariant()
    def no_request_is_that_of_two_lanes(self) -> None:
        held = self._held()
        living = [driver for driver in self.drivers if driver.key.owner in held]
        theirs = [request_id for driver in living for request_id in (*driver.claimed, *driver.sent)]
        assert len(theirs) == len(set(theirs))
        stages = {request_id: (stage, owner) for request_id, stage, owner, _ in self._requests()}
        for driver in living:
            for request_id in driver.claimed:
                assert stages[request_id] == ("not_sent", driver.key.owner)
            for request_id in driver.sent:
                assert stages[request_id] == ("sending", driver.key.owner)

    @invariant()
    def nothing_is_left_with_a_lane_that_is_over(self) -> None:
        held = self._held()
        for _, stage, owner, claimed_in in self._requests():
            if stage == "sending" or (stage == "not_sent" and claimed_in == self.sending and owner):
                assert owner in held

    def teardown(self) -> None:
        try:
            self._finish()
        finally:
            self.do(self.opened.__aexit__(None, None, None))
            self.runner.close()

    def _finish(self) -> None:
        """Let a last run send all that is left."""
        self.time.advance(61)
        assert not self.do(self.ledger.write(end_runs, BATCH, self.road.claim_of(), at=LATER)).held
        self._resolve()
        self.begin()
        key = lane(0, "the last")
        assert self.do(self.road.take(key, run=self.run)) is None
        for unsent in self.do(self.road.claim(key, 1_000, sending=self.sending, run=self.run)) or []:
            self.do(self.road.send(key, unsent))
            self.do(self.road.answer(key, unsent, Stage.SUBMITTED))
        assert not [stage for _, stage, _, _ in self._requests() if stage in UNSENT]


def _empty(connection: Connection) -> None:
    for table in TABLES:
        connection.exec_driver_sql(f"delete from {table}")  # noqa: S608 - ours


def test_a_request_is_never_that_of_two_lanes_and_none_is_left_behind(ledger_url: str) -> None:
    examples = 40 if ledger_url.startswith("sqlite") else 15

    class Here(AnyOrder):
        url = ledger_url

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
