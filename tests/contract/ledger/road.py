"""The lanes of one batch, as those who drive them see the ledger."""

from dataclasses import replace

from batch_issuer.batch.stages import Stage
from batch_issuer.ledger import Answered, LeaseKey, Ledger, Sending, Unsent
from batch_issuer.ledger.claims import START, Claiming, claim_requests, count_claimable
from batch_issuer.ledger.lanes import LaneWork, Look, end_lane, lane_of, look_at_lanes, run_of, take_lane
from batch_issuer.ledger.leases import Claim, Holder, take_lease
from batch_issuer.ledger.transitions import apply_transitions
from batch_issuer.planning import halve
from batch_issuer.processes import Process, this_process
from tests.conftest import BATCH, FakeClock, make_claim, records_of

AT, LATER = "2026-03-02T04:45:00Z", "2026-03-02T04:46:00Z"
RUN = LeaseKey(name=run_of(BATCH), owner="run")
WORK = LaneWork(batch=BATCH, run=RUN)
GONE = replace(this_process(), pid=2**22 + 1, started="1")
MOST = 3


def lane(number: int, owner: str = "") -> LeaseKey:
    return LeaseKey(name=lane_of(BATCH, number), owner=owner or f"lane {number}")


class Road:
    """The lanes of one batch, as those who drive them see the ledger."""

    def __init__(self, ledger: Ledger, time: FakeClock) -> None:
        self.ledger = ledger
        self._time = time

    def claim_of(self, process: Process | None = None) -> Claim:
        return replace(make_claim(self.ledger, process=process), uptime=self._time.seconds)

    async def begin(self, run: LeaseKey = RUN, process: Process | None = None) -> None:
        assert await self.ledger.write(take_lease, run, self.claim_of(process)) is None

    async def take(self, key: LeaseKey, process: Process | None = None, run: LeaseKey = RUN) -> Holder | None:
        work = replace(WORK, run=run)
        return await self.ledger.write(take_lane, key, self.claim_of(process), work=work, at=AT)

    async def claim(
        self, key: LeaseKey, limit: int = 2, *, sending: str = "one", run: LeaseKey = RUN
    ) -> list[Unsent] | None:
        claiming = Claiming(batch=BATCH, lane=key, run=run, sending=sending, max_attempts=MOST)
        found = await self.ledger.write(claim_requests, claiming, START, limit)
        return None if found is None else list(found)

    async def send(self, key: LeaseKey, unsent: Unsent) -> None:
        attempt = unsent.attempts + 1
        step = Sending(lease=key, request_id=unsent.request.request_id, attempt=attempt, at=AT)
        await self.ledger.write(apply_transitions, [step])

    async def answer(self, key: LeaseKey, unsent: Unsent, stage: Stage) -> None:
        request, attempt = unsent.request, unsent.attempts + 1
        halves = halve(request, org_id="o", batch=BATCH) if stage is Stage.SPLIT else None
        step = Answered(
            lease=key,
            request_id=request.request_id,
            attempt=attempt,
            sent_at=AT,
            at=LATER,
            stage=stage,
            halves=halves,
        )
        await self.ledger.write(apply_transitions, [step])

    async def look(self) -> Look:
        return await self.ledger.write(look_at_lanes, BATCH, self.claim_of(), run=RUN, at=LATER)

    async def end(self, key: LeaseKey) -> None:
        await self.ledger.write(end_lane, key, batch=BATCH, at=LATER)

    async def left(self, sending: str = "one") -> int:
        return await self.ledger.read(count_claimable, BATCH, sending, MOST)

    async def stages(self) -> list[Stage]:
        return [record.stage for record in await records_of(self.ledger)]
