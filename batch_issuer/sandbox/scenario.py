"""What a sandbox is told: how the simulated world behaves, and who may call it."""

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

AuthMode = Literal["basic", "oauth", "both"]
ListShift = Literal["none", "repeat", "miss"]

DEFAULT_BASE_PATH = "/v2/api_gateway/v2/request-workflow"

_DURATIONS = (
    "decide_after_seconds",
    "latency_seconds",
    "token_ttl_seconds",
    "fault_seconds",
    "list_lag_seconds",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """How the simulated API behaves; the same scenario gives the same fate to the same file.

    `decide_after_seconds` is None where requests wait for a checker, 0 for auto-approval, and else the time
    after which an invisible checker decides. `reject_share` and `leave_share` speak of that checker alone.
    The shares of requests are slices of one whole, and so are the shares of customers and of calls.

    `fault_share` of the POSTs, PUTs and GETs meet a random fault of the mix in `faults.mix`: the n-th call
    of a method always meets the same one. `fault_seconds` is how long such a fault hangs or drips at most.
    `twice_share` of the POSTs are delivered twice by a proxy.

    The list shows a request `list_lag_seconds` after its acceptance. While a caller pages, `list_shift` lets
    entries repeat on later pages ("repeat"), or move to an earlier page, so that some sweeps miss them
    ("miss": the first sweep, and half of the others). `list_repeat_share` of the entries stand twice on
    their page, and `list_failure_share` of the reads of the list meet a server error.
    """

    seed: int = 0
    decide_after_seconds: float | None = None
    reject_share: float = 0.0
    leave_share: float = 0.0
    fail_share: float = 0.0
    holder_share: float = 0.0
    omit_share: float = 0.0
    latency_seconds: float = 0.0
    rate_limit: int | None = None
    auth: AuthMode = "both"
    token_ttl_seconds: int = 300
    base_path: str = DEFAULT_BASE_PATH
    max_customers: int | None = None
    fault_share: float = 0.0
    fault_seconds: float = 2.0
    twice_share: float = 0.0
    list_lag_seconds: float = 0.0
    list_shift: ListShift = "none"
    list_repeat_share: float = 0.0
    list_failure_share: float = 0.0

    def __post_init__(self) -> None:
        _require_slices("requests", self.reject_share, self.leave_share, self.fail_share)
        _require_slices("customers", self.holder_share, self.omit_share)
        _require_slices("calls", self.fault_share, self.twice_share)
        _require_slices("entries of the list", self.list_repeat_share)
        _require_slices("reads of the list", self.list_failure_share)
        for name in _DURATIONS:
            _require_not_negative(name, getattr(self, name))
        for name in ("rate_limit", "max_customers"):
            _require_positive(name, getattr(self, name))
        if self.list_shift not in get_args(ListShift):
            raise ValueError(f"list_shift must be one of {', '.join(get_args(ListShift))}")
        if not self.base_path.startswith("/") or self.base_path.endswith("/"):
            raise ValueError("base_path must start with a slash and end without one")

    @property
    def approves_at_once(self) -> bool:
        """Say whether auto-approval is switched on."""
        return self.decide_after_seconds == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The invented organisation, maker and checker that the sandbox knows."""

    org_id: str = "999001"
    maker_username: str = "maker.till"
    maker_password: str = field(default="maker-password", repr=False)
    checker_username: str = "checker.till"
    checker_password: str = field(default="checker-password", repr=False)
    maker_key: str = "maker-key"
    maker_secret: str = field(default="maker-secret", repr=False)
    checker_key: str = "checker-key"
    checker_secret: str = field(default="checker-secret", repr=False)
    maker_ui_token: str = field(default="maker.ui.token", repr=False)
    checker_ui_token: str = field(default="checker.ui.token", repr=False)


def _require_slices(of: str, *shares: float) -> None:
    if any(not 0 <= share <= 1 for share in shares) or math.fsum(shares) > 1:
        raise ValueError(f"the shares of {of} must lie between 0 and 1 and sum up to at most 1")


def _require_not_negative(name: str, value: float | None) -> None:
    if value is not None and value < 0:
        raise ValueError(f"{name} must not be negative")


def _require_positive(name: str, value: int | None) -> None:
    if value is not None and value < 1:
        raise ValueError(f"{name} must be at least 1, or None for no limit")
