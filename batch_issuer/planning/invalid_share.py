"""How many invalid rows are tolerated when the valid ones are to be sent all the same."""

from dataclasses import dataclass
from typing import Self

from batch_issuer.batch.shares import WHOLE, Share
from batch_issuer.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxInvalid(Share):
    """How many invalid rows are tolerated."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `25` or `10%`. Raises UsageError."""
        share = cls.read(text)
        if share is None:
            raise UsageError(f"--max-invalid {text!r}: write a count like 25 or a percentage like 10%")
        return share

    def allows(self, *, invalid: int, rows: int) -> bool:
        """Tell whether so many invalid rows of all rows are tolerated."""
        if self.count is not None:
            return invalid <= self.count
        return invalid * WHOLE <= (self.percent or 0) * rows

    def __str__(self) -> str:
        """Write it the way it is given."""
        return f"{self.percent}%" if self.count is None else str(self.count)
