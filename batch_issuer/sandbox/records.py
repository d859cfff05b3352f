"""What the simulator knows of each workflow request: frozen values, replaced whole when they change."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, cast

Verdict = Literal["approved", "rejected"]


class State(StrEnum):
    """The server's word for a workflow request."""

    WAITING = "AdminTask"
    APPROVED = "approved"
    REJECTED = "rejected"
    FAILED = "failed"


class Result(StrEnum):
    """What an executed request did for one customer."""

    ISSUED = "issued"
    HELD = "held"
    OMITTED = "omitted"


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerResult:
    """One customer's share in an execution; `issued_id` of a holder is the older issue."""

    customer_id: int
    result: Result
    issued_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerError:
    """Why a whole inner call failed, and under which HTTP status."""

    status: int
    code: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What the inner call answered: one error for all, or results in the order asked for."""

    trace_id: str
    error: InnerError | None = None
    results: tuple[CustomerResult, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a checker said."""

    verdict: Verdict
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One workflow request as it stands; `task` is the stored payload, credentials included."""

    number: int
    workflow_request_id: str
    entity: Mapping[str, str]
    task: Mapping[str, Any] = field(repr=False)
    accepted_at: float
    state: State = State.WAITING
    decision: Decision | None = None
    execution: Execution | None = None
    ended_at: float | None = None

    @property
    def request_id(self) -> str:
        """Give the caller's own id, which travels in the inner body."""
        return cast("str", self.task["body"]["requestId"])

    @property
    def authorization(self) -> str:
        """Give the Authorization header that the inner call is made with."""
        return cast("str", self.task["headers"]["Authorization"])

    @property
    def badge_meta_id(self) -> str:
        """Give the badge to issue."""
        return cast("str", self.task["body"]["badgeMetaId"])

    @property
    def owner_type(self) -> str | None:
        """Give the kind of owner that the badge is issued for, where the caller names one."""
        return cast("str | None", self.task["body"].get("triggeredBy", {}).get("ownerType"))

    @property
    def reference_id(self) -> str | None:
        """Give the owner's own id, where the caller names one."""
        return cast("str | None", self.task["body"].get("triggeredBy", {}).get("referenceId"))

    @property
    def customers(self) -> tuple[int, ...]:
        """Give the customers in the order asked for."""
        return tuple(self.task["body"]["customers"])
