"""What a lane is asked to do, and what it tells at its end: values that travel, without secrets."""

import math
from dataclasses import dataclass, field
from typing import Final

from batch_issuer.batch.ids import BatchId
from batch_issuer.ledger import LeaseKey
from batch_issuer.metrics import Measurements
from batch_issuer.settings import Settings
from batch_issuer.site import Site
from batch_issuer.submission import Stop

_CALLS_A_MINUTE: Final = 3_000
"""What one lane can do with ease, where answers take their time."""
_SPARE: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneJob:
    """One lane of a run of lanes."""

    site: Site
    batch: BatchId
    org_id: str
    lane: int
    concurrency: int
    """The lane's share: those of all lanes of a run add up to what is allowed."""
    run: LeaseKey
    """The lane is driven only while this is held."""
    sending: str
    """One command's sending of the batch: attempts count over all of its runs of lanes."""
    timeline: int
    """That of the ledger when the batch was last known to be all there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneEnd:
    """How a lane ended: it found nothing more to claim, or its run was over."""

    stop: Stop | None = None
    """Why the lane has ended the run, where it did."""
    measurements: Measurements = field(default_factory=Measurements)
    """Its exchanges with the API."""


def lanes_for(settings: Settings, *, width: int) -> int:
    """Say how many lanes a run has: as many as its pace can keep busy, and two where one may die.

    There are no more than requests may be under way, nor than pieces of work that can be done at a time.
    """
    needed = max(_SPARE, math.ceil(settings.rate / _CALLS_A_MINUTE)) if settings.rate else width
    return min(needed, settings.concurrency, width)


def shares_of(concurrency: int, lanes: int) -> list[int]:
    """Deal out how many requests may be under way: to each lane about as many, and to each one at least."""
    each, more = divmod(concurrency, lanes)
    return [each + (number < more) for number in range(lanes)]
