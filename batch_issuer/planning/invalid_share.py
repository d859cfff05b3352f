"""How many invalid rows are tolerated when the valid ones are to be sent all the same."""

from dataclasses import dataclass
from typing import Self

from batch_issuer.errors import UsageError

_WHOLE = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxInvalid:
    """A count of rows, or a percentage of them."""

    count: int | None = None
    percent: float | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `25` or `10%`. Raises UsageError."""
        number = text.strip().removesuffix("%")
        try:
            if text.strip().endswith("%"):
                percent = float(number)
                if 0 <= percent <= _WHOLE:
                    return cls(percent=percent)
            elif int(number) >= 0:
                return cls(count=int(number))
        except ValueError:
            pass
        raise UsageError(f"--max-invalid {text!r}: write a count like 25 or a percentage like 10%")

    def allows(self, *, invalid: int, rows: int) -> bool:
        """Tell whether so many invalid rows of all rows are tolerated."""
        if self.count is not None:
            return invalid <= self.count
        return invalid * _WHOLE <= (self.percent or 0.0) * rows

    def __str__(self) -> str:
        """Write it the way it is given."""
        return f"{self.percent:g}%" if self.count is None else str(self.count)
