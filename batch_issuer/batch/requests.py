"""Groups and requests: what one issueBulk body carries, and how far its submission has come."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from batch_issuer.batch.ids import RequestId

CustomerIds = npt.NDArray[np.int64]
RowNumbers = npt.NDArray[np.uint32]

OWNER_TYPES: Final = (
    "Loyalty",
    "Loyalty_Promotion",
    "Referral_Campaigns",
    "Journeys",
    "Audience_Campaigns",
    "Rewards_Catalog",
    "Goodwill_Module",
    "Milestones",
    "Historical_Import",
)
"""The contract's spelling, which is the one to send (contract, schema OwnerType)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What rows must share to travel in one issueBulk body; empty text where a part is left out."""

    badge_meta_id: str
    owner_type: str = ""
    reference_id: str = ""
    issue_event_date: str = ""
    """An instant in UTC, ISO 8601."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IssueRequest:
    """One chunk under its request id: `customers[i]` stands in input row `rows[i]`, in input order."""

    request_id: RequestId
    chunk: int
    group: Group
    customers: CustomerIds
    rows: RowNumbers
    halvings: str = ""
    """Which half of which half of the chunk this is, as a path of 0 and 1."""
    generation: int = 0
    """How often the rows were sent before under ids that were refused for good."""
