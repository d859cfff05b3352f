"""What checking an upload found, as it is kept in the ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import Any, Final, Self

from batch_issuer.dry_run import DryRun
from batch_issuer.planning import estimate_seconds
from batch_issuer.reports import ProblemTally
from batch_issuer.settings import Settings

SHOWN_GROUPS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The findings for a file, and the plan: those of `plan`, for the same file and options."""

    fingerprint: str
    """Of the file and all that decides how it is read: another one now means that this is out of date."""
    checked_at: str
    sha256: str = ""
    """The digest of the content that would be issued."""
    failure: str = ""
    """Why the file can't be read as it is; then there are no findings."""
    rows: int = 0
    invalid: int = 0
    duplicates: int = 0
    already_issued: int = 0
    rules: Sequence[Mapping[str, Any]] = ()
    """The rules that rows break: what is wrong, how often, what to do, and examples."""
    repairs: Mapping[str, int] = field(default_factory=dict)
    form: str = ""
    warnings: Sequence[str] = ()
    badges: Mapping[str, str] = field(default_factory=dict)
    """The names of the badges that have one."""
    customers: int = 0
    requests: int = 0
    chunk_size: int = 0
    seconds: float = 0
    groups: Sequence[Mapping[str, Any]] = ()
    """The first of them."""
    group_count: int = 0
    refusal: str = ""
    """Why nothing would be sent, where that is so."""
    same_content: str = ""
    """The batch that issued this content before."""
    is_stale: bool = False
    """Whether the file, its cells or what was chosen changed since."""

    @property
    def valid(self) -> int:
        """How many rows are right, and repeat no other."""
        return self.rows - self.invalid - self.duplicates

    @property
    def can_be_issued(self) -> bool:
        """Tell whether issuing would send anything."""
        return not (self.failure or self.refusal or self.is_stale) and self.customers > 0

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """Read what the ledger holds."""
        return cls(**facts)

    @classmethod
    def failed(cls, reason: str, *, fingerprint: str, at: str) -> Self:
        """Say that the file can't be read."""
        return cls(fingerprint=fingerprint, checked_at=at, failure=reason)

    def as_json(self) -> dict[str, Any]:
        """Write it for the ledger."""
        return asdict(self)

    def found(self, tried: DryRun, tally: ProblemTally, settings: Settings) -> Self:
        """Return the findings of a dry run."""
        plan, checked = tried.plan, tried.checked
        sizes = plan.group_sizes
        groups = islice(zip(plan.groups, sizes, strict=True), SHOWN_GROUPS)
        return replace(
            self,
            rows=checked.total,
            invalid=checked.invalid,
            duplicates=len(plan.duplicates),
            already_issued=len(plan.held),
            rules=tally.as_json(),
            repairs=dict(checked.repairs),
            form=tried.form,
            warnings=list(tried.warnings),
            badges=dict(tried.badges),
            customers=plan.customers,
            requests=plan.request_count,
            chunk_size=plan.chunk_size,
            seconds=round(estimate_seconds(plan.request_count, rate=settings.rate), 1),
            groups=[{**asdict(group), "customers": size} for group, size in groups],
            group_count=len(sizes),
            refusal=tried.refusal,
        )
