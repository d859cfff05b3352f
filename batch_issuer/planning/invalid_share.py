"""How many invalid rows are tolerated when the valid ones are to be sent all the same."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Self

from batch_issuer.errors import UsageError

_WHOLE: Final = 100
_FORM: Final = re.compile(r"([0-9]{1,12})|([0-9]{1,12}(?:\.[0-9]{1,12})?) ?%")


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxInvalid:
    """A count of rows, or a percentage of them; the percentage is exact, so that its border is."""

    count: int | None = None
    percent: Decimal | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `25` or `10%`. Raises UsageError."""
        form = _FORM.fullmatch(text.strip())
        if form is not None and form[1]:
            return cls(count=int(form[1]))
        if form is not None and Decimal(form[2]) <= _WHOLE:
            return cls(percent=Decimal(form[2]))
        raise UsageError(f"--max-invalid {text!r}: write a count like 25 or a percentage like 10%")

    def allows(self, *, invalid: int, rows: int) -> bool:
        """Tell whether so many invalid rows of all rows are tolerated."""
        if self.count is not None:
            return invalid <= self.count
        return invalid * _WHOLE <= (self.percent or 0) * rows

    def __str__(self) -> str:
        """Write it the way it is given."""
        return f"{self.percent}%" if self.count is None else str(self.count)
