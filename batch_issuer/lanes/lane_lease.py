"""The lease of a lane: taken while its run goes on, and given back with all that the lane had claimed."""

from sqlalchemy import Connection

from batch_issuer.assembly import Services
from batch_issuer.ledger.lanes import LaneWork, end_lane, lane_of, take_lane
from batch_issuer.ledger.leases import Holder
from batch_issuer.submission import Lease, claim_for, new_key


class LaneLease(Lease):
    """A lease like that of a batch, for one lane of it."""

    def __init__(self, services: Services, work: LaneWork, lane: int) -> None:
        """Take nothing yet."""
        claim = claim_for(
            services.ledger, terms=services.terms, process=services.process, clock=services.clock
        )
        super().__init__(services.ledger, new_key(lane_of(work.batch, lane)), claim, services.terms)
        self._work = work
        self._clock = services.clock
        self.leaves_nothing = False
        """All that the lane had claimed is at rest: none of it has to be looked for."""

    def _take(self, connection: Connection) -> Holder | None:
        return take_lane(connection, self.key, self.claim, work=self._work, at=self._clock.timestamp())

    def _give_back(self, connection: Connection) -> None:
        if self.leaves_nothing:
            return super()._give_back(connection)
        return end_lane(connection, self.key, batch=self._work.batch, at=self._clock.timestamp())
